"""The node lifecycle controller: notices nodes that fall silent, and says so by conditions and taints.

Owns     the conditions of nodes whose agent is silent (to Unknown), the taints not-ready,
         unreachable, *-pressure, network-unavailable and unschedulable; the Ready condition of pods
         on nodes that are not ready.
Woken by changes of nodes and of their leases, and when a grace period ends.
Keeps    a node's word for 40 s after its last sign of life (lease or status), 60 s from its birth.

Invariants: silence is measured by when this process saw the last sign, so clocks need not agree;
NoExecute taints come at most once per 10 s, and not at all while every node, or most of a zone, is
out: then it is more likely that we cannot see than that all died.

Evicting pods because of these taints is tainteviction.py's work.

Source: https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.framework import Context, Index, Key, Watch, reconciler
from machinery.backoff import TokenBucket
from machinery.clock import rfc3339
from machinery.errors import NotFound
from machinery.gvk import LEASES, NODES, PODS
from machinery.objects import deep_copy, find_condition, is_being_deleted, labels

Obj = dict[str, Any]

GRACE_S = 40.0
STARTUP_GRACE_S = 60.0
LEASE_NAMESPACE = "kube-node-lease"
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
POD_NODE_INDEX = "node"

_WATCHED_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_CONDITION_TAINTS = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_OWN_TAINTS = frozenset({NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_CONDITION_TAINTS.values()})
_EVICTION_RATE_PER_S = 0.1
_UNHEALTHY_ZONE_SHARE = 0.55
_ZONE_LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


@dataclass(slots=True)
class Heard:
    """A node's last sign of life: what it was, and when we saw it."""

    sign: tuple[str, str]
    at: float  # monotonic


@dataclass(frozen=True, slots=True)
class Plan:
    """`conditions` and `taints` are None where they stay; `recheck_s` is when silence would count."""

    conditions: list[Obj] | None
    taints: list[Obj] | None
    went_silent: bool
    recheck_s: float | None


def plan_conditions(node: Obj, now: float) -> list[Obj]:
    """The node's conditions once it is silent: what it reported is not known any more."""
    conditions = deep_copy((node.get("status") or {}).get("conditions") or [])
    stamp = rfc3339(now)
    for type_ in _WATCHED_CONDITIONS:
        current = find_condition(conditions, type_)
        if current is None:
            conditions.append(
                {
                    "type": type_,
                    "status": "Unknown",
                    "reason": "NodeStatusNeverUpdated",
                    "message": "Kubelet never posted node status.",
                    "lastHeartbeatTime": node["metadata"].get("creationTimestamp", stamp),
                    "lastTransitionTime": stamp,
                }
            )
        elif current["status"] != "Unknown":
            current |= {
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
                "lastTransitionTime": stamp,
            }
    return conditions


def plan_taints(node: Obj, conditions: Sequence[Obj], may_execute: bool, now: float) -> list[Obj]:
    """All taints of the node: others' as they are, ours as the conditions say.

    Without `may_execute` a NoExecute taint is not added, but one that is there stays.
    """
    spec = node.get("spec") or {}
    present = spec.get("taints") or []
    ready = (find_condition(conditions, "Ready") or {}).get("status", "Unknown")
    wanted: dict[tuple[str, str], Obj] = {}

    def add(key: str, effect: str, **more: str) -> None:
        old = next((t for t in present if (t["key"], t["effect"]) == (key, effect)), None)
        wanted[key, effect] = old or {"key": key, "effect": effect, **more}

    key = {"False": NOT_READY, "Unknown": UNREACHABLE}.get(ready)
    if key is not None:
        add(key, "NoSchedule")
        executing = any(t["key"] in (NOT_READY, UNREACHABLE) and t["effect"] == "NoExecute" for t in present)
        if may_execute or executing:
            add(key, "NoExecute", timeAdded=rfc3339(now))
    for type_, taint in _CONDITION_TAINTS.items():
        if (find_condition(conditions, type_) or {}).get("status") == "True":
            add(taint, "NoSchedule")
    if spec.get("unschedulable"):
        add(UNSCHEDULABLE, "NoSchedule")
    kept = []
    for taint in present:
        id_ = (taint["key"], taint["effect"])
        if taint["key"] not in _OWN_TAINTS:
            kept.append(taint)
        elif id_ in wanted:
            kept.append(wanted.pop(id_))
        elif taint["effect"] not in ("NoSchedule", "NoExecute"):
            kept.append(taint)  # our key with an effect we never set: somebody's own
    return [*kept, *wanted.values()]


def may_execute_in(node: Obj, nodes: Iterable[Obj]) -> bool:
    """Whether pods may be driven off this node, seeing how many others are out as well."""
    zone = _zone_of(node)
    in_zone = [each for each in nodes if _zone_of(each) == zone]
    out = sum((find_condition(each, "Ready") or {}).get("status") != "True" for each in in_zone)
    if out >= len(in_zone):
        return False
    return not (out > 2 and out / len(in_zone) >= _UNHEALTHY_ZONE_SHARE)


def _zone_of(node: Obj) -> tuple[str, ...]:
    return tuple(labels(node).get(name, "") for name in _ZONE_LABELS)


def plan(node: Obj, silent_s: float, may_execute: bool, now: float) -> Plan:
    """`silent_s`: how long ago the last sign of life was seen here. `now` is only written down: it may jump."""
    ready = find_condition(node, "Ready")
    grace_s = GRACE_S if ready is not None else STARTUP_GRACE_S
    left_s = grace_s - silent_s
    conditions = (node.get("status") or {}).get("conditions") or []
    changed: list[Obj] | None = None
    if left_s <= 0:
        changed = plan_conditions(node, now)
        if changed == conditions:
            changed = None
    current = conditions if changed is None else changed
    present = (node.get("spec") or {}).get("taints") or []
    taints = plan_taints(node, current, may_execute, now)
    was_ready = ready is not None and ready["status"] == "True"
    return Plan(
        changed,
        taints if taints != present else None,
        changed is not None and was_ready,
        left_s if left_s > 0 else None,
    )


def sign_of(node: Obj, lease: Obj | None) -> tuple[str, str]:
    """(lease renewed, status posted): changes whenever the node's agent has done anything; "" is no sign."""
    ready = find_condition(node, "Ready") or {}
    renewed = ((lease or {}).get("spec") or {}).get("renewTime", "")
    # An Unknown condition is our own writing, no sign of life.
    heartbeat = (ready.get("lastHeartbeatTime") or "") if ready.get("status") != "Unknown" else ""
    return (renewed, heartbeat)


def lease_to_node(ctx: Context, lease: Obj) -> Iterable[Key]:
    meta = lease["metadata"]
    return (Key("", meta["name"]),) if meta["namespace"] == LEASE_NAMESPACE else ()


def pod_node_index(pod: Obj) -> Iterable[str]:
    node = (pod.get("spec") or {}).get("nodeName")
    return (node,) if node else ()


@reconciler(
    NODES,
    watches=(Watch(LEASES, lease_to_node),),
    indexes=(Index(PODS, POD_NODE_INDEX, pod_node_index),),
    event_source="node-controller",
)
async def reconcile(ctx: Context, key: Key) -> float | None:
    node = ctx.get(key)
    if node is None or is_being_deleted(node):
        ctx.memory.pop(key, None)
        return None
    heard = _hear(ctx, key, node)
    bucket = ctx.memory.setdefault("bucket", TokenBucket(_EVICTION_RATE_PER_S, 1, ctx.clock))
    silent_s = ctx.clock.monotonic() - heard.at
    todo = plan(node, silent_s, False, ctx.now)
    recheck_s = todo.recheck_s
    if _wants_execute(node, todo):
        if may_execute_in(_with_conditions(node, todo), ctx.lister(NODES).list()) and bucket.try_take():
            todo = plan(node, silent_s, True, ctx.now)
        else:
            recheck_s = min(recheck_s or 5.0, 5.0)
    if todo.conditions is not None:
        node = await _write_conditions(ctx, node, todo)
    if todo.taints is not None:
        patch = {"spec": {"taints": todo.taints}}
        precondition = {"metadata": {"resourceVersion": node["metadata"]["resourceVersion"]}}
        with contextlib.suppress(NotFound):
            node = await ctx.client.patch(NODES, key.name, patch | precondition)
    if (find_condition(node, "Ready") or {}).get("status") != "True":
        await _mark_pods_not_ready(ctx, node)
    return recheck_s


def _hear(ctx: Context, key: Key, node: Obj) -> Heard:
    sign = sign_of(node, ctx.lister(LEASES).get(LEASE_NAMESPACE, key.name))
    heard: Heard | None = ctx.memory.get(key)
    if heard is None:
        heard = ctx.memory[key] = Heard(sign, ctx.clock.monotonic())
    elif any(new and new != old for new, old in zip(sign, heard.sign, strict=True)):
        heard.at = ctx.clock.monotonic()
        heard.sign = (sign[0] or heard.sign[0], sign[1] or heard.sign[1])
    return heard


def _wants_execute(node: Obj, todo: Plan) -> bool:
    """The node is out and has no NoExecute taint of ours yet."""
    conditions = todo.conditions if todo.conditions is not None else node
    ready = (find_condition(conditions, "Ready") or {}).get("status", "Unknown")
    taints = todo.taints if todo.taints is not None else (node.get("spec") or {}).get("taints") or []
    tainted = any(t["key"] in (NOT_READY, UNREACHABLE) and t["effect"] == "NoExecute" for t in taints)
    return ready != "True" and not tainted


def _with_conditions(node: Obj, todo: Plan) -> Obj:
    if todo.conditions is None:
        return node
    return {**node, "status": {**(node.get("status") or {}), "conditions": todo.conditions}}


async def _write_conditions(ctx: Context, node: Obj, todo: Plan) -> Obj:
    name = node["metadata"]["name"]
    changed = _with_conditions(node, todo)
    with contextlib.suppress(NotFound):
        changed = await ctx.client.update(NODES, changed, subresource="status")
    if todo.went_silent:
        message = f"Node {name} status is now: NodeNotReady"
        ctx.events.event(changed, "Normal", "NodeNotReady", message)
    return changed


async def _mark_pods_not_ready(ctx: Context, node: Obj) -> None:
    """Endpoints must not point at a node that is out: its pods count as not ready."""
    for pod in ctx.lister(PODS).by_index(POD_NODE_INDEX, node["metadata"]["name"]):
        ready = find_condition(pod, "Ready")
        if ready is None or ready.get("status") != "True":
            continue
        meta = pod["metadata"]
        changed = {"type": "Ready", "status": "False", "lastTransitionTime": rfc3339(ctx.now)}
        patch = {"status": {"conditions": [changed]}, "metadata": {"uid": meta["uid"]}}
        with contextlib.suppress(NotFound):
            await ctx.client.patch(
                PODS, meta["name"], patch, meta["namespace"], type="strategic", subresource="status"
            )
            ctx.events.event(pod, "Warning", "NodeNotReady", "Node is not ready")
