"""The taint eviction controller: deletes pods that do not tolerate their node's NoExecute taints.

Owns     nothing; deletes pods, after saying why in the condition DisruptionTarget.
Woken by changes of pods and of their nodes' taints, and when a toleration runs out.

Invariants: a pod that tolerates all taints for ever stays; one that tolerates them for some seconds
goes when the shortest of these has passed since the latest taint came; a taint without timeAdded
counts from when it was first seen here.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from controllers.framework import Context, Index, Key, Watch, reconciler
from controllers.nodelifecycle import POD_NODE_INDEX, pod_node_index
from machinery.clock import parse_rfc3339, rfc3339
from machinery.errors import NotFound
from machinery.gvk import NODES, PODS, key_of
from machinery.objects import is_being_deleted, uid

Obj = dict[str, Any]


def tolerates(toleration: Obj, taint: Obj) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")


def plan_eviction(pod: Obj, taints: Sequence[Obj], first_seen: float) -> float | None:
    """When the pod has to go, in seconds since the epoch; None for never. 0 means at once."""
    tolerations = (pod.get("spec") or {}).get("tolerations") or ()
    waits: list[float] = []
    since = 0.0
    for taint in taints:
        used = [each for each in tolerations if tolerates(each, taint)]
        if not used:
            return 0.0
        waits += [
            float(each["tolerationSeconds"]) for each in used if each.get("tolerationSeconds") is not None
        ]
        stamp = taint.get("timeAdded")
        since = max(since, parse_rfc3339(stamp) if stamp else first_seen)
    if not waits:
        return None
    return since + max(0.0, min(waits))


def no_execute(node: Obj) -> list[Obj]:
    return [t for t in (node.get("spec") or {}).get("taints") or () if t["effect"] == "NoExecute"]


def node_to_pods(ctx: Context, node: Obj) -> Iterable[Key]:
    return [key_of(pod) for pod in ctx.lister(PODS).by_index(POD_NODE_INDEX, node["metadata"]["name"])]


def _relevant(old: Obj, new: Obj) -> bool:
    def said(pod: Obj) -> tuple[Any, ...]:
        spec = pod.get("spec") or {}
        return spec.get("nodeName"), spec.get("tolerations"), is_being_deleted(pod)

    return said(old) != said(new)


@reconciler(
    PODS,
    name="tainteviction",
    relevant=_relevant,
    watches=(Watch(NODES, node_to_pods, relevant=lambda old, new: no_execute(old) != no_execute(new)),),
    indexes=(Index(PODS, POD_NODE_INDEX, pod_node_index),),
    workers=5,
    event_source="taint-eviction-controller",
)
async def reconcile(ctx: Context, key: Key) -> float | None:
    pod = ctx.get(key)
    node = ctx.lister(NODES).get("", (pod.get("spec") or {}).get("nodeName") or "") if pod else None
    taints = no_execute(node) if node is not None else []
    if pod is None or not taints or is_being_deleted(pod):
        if ctx.memory.pop(key, None) is not None and pod is not None and not is_being_deleted(pod):
            ctx.events.event(pod, "Normal", "TaintManagerEviction", f"Cancelling deletion of Pod {key}")
        return None
    first_seen = ctx.memory.get(key, ctx.now)
    due = plan_eviction(pod, taints, first_seen)
    if due is None:
        ctx.memory.pop(key, None)
        return None
    ctx.memory[key] = first_seen
    if due > ctx.now:
        return due - ctx.now
    await _evict(ctx, key, pod)
    ctx.memory.pop(key, None)
    return None


async def _evict(ctx: Context, key: Key, pod: Obj) -> None:
    ctx.events.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}")
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
        "lastTransitionTime": rfc3339(ctx.now),
    }
    patch = {"metadata": {"uid": uid(pod)}, "status": {"conditions": [condition]}}
    with contextlib.suppress(NotFound):
        await ctx.client.patch(PODS, key.name, patch, key.namespace, type="strategic", subresource="status")
        await ctx.client.delete(PODS, key.name, key.namespace, uid=uid(pod))
