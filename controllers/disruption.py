"""The disruption controller: how many pods of each PodDisruptionBudget may be taken away right now.

Owns     the status of PodDisruptionBudgets.
Woken by changes of a budget and of the pods it selects; again when a pod that was to go is overdue.
Counts   healthy pods (ready, not on their way out, not just evicted) against what the budget wants, which is a share
         of what the pods' controllers want (a Deployment, or anything with a scale subresource).

Invariants: while the number of wanted pods cannot be found, no disruption is allowed; a pod that the eviction API
noted in `disruptedPods` counts as gone for two minutes, so that two evictions never spend one allowance.

Source: Kubernetes "Disruptions"; pkg/controller/disruption.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from client.discovery import discover
from controllers.framework import Context, Key, Watch, reconciler
from controllers.podstate import is_ready
from machinery.clock import parse_rfc3339
from machinery.errors import ApiError, MethodNotAllowed, NotFound
from machinery.gvk import DEPLOYMENTS, GVR, PODS, REPLICASETS, key_of
from machinery.objects import controller_of, deep_copy, is_being_deleted, labels, set_condition, uid
from machinery.selectors import SelectorError, label_selector_of

Obj = dict[str, Any]

PODDISRUPTIONBUDGETS = GVR("policy", "v1", "poddisruptionbudgets", kind="PodDisruptionBudget")
DISRUPTED_FOR_S = 120.0
_ALLOWED = "DisruptionAllowed"


class Unscalable(Exception):
    """What the pods' controllers want cannot be told; the message says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`overdue` are pods that were evicted and stayed; `again_s` is when the next one would be."""

    status: Obj
    overdue: tuple[str, ...] = ()
    again_s: float | None = None


def plan(budget: Obj, pods: Sequence[Obj], wanted: int | None, now: float) -> Plan:
    """`wanted` is what the pods' controllers ask for together, None where the budget needs no such number."""
    spec, status = budget.get("spec") or {}, deep_copy(budget.get("status") or {})
    expected, desired = _expected(spec, len(pods), wanted)
    disrupted, overdue, again_s = _still_disrupted(pods, status.get("disruptedPods") or {}, now)
    healthy = sum(
        is_ready(pod) and not is_being_deleted(pod) and pod["metadata"]["name"] not in disrupted
        for pod in pods
    )
    allowed = max(healthy - desired, 0) if expected > 0 else 0
    status |= {
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "observedGeneration": budget["metadata"].get("generation", 0),
    }
    if disrupted:
        status["disruptedPods"] = disrupted
    else:
        status.pop("disruptedPods", None)
    condition = {
        "type": _ALLOWED,
        "status": "True" if allowed else "False",
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
        "observedGeneration": status["observedGeneration"],
    }
    set_condition(status.setdefault("conditions", []), condition, now)
    return Plan(status, overdue, again_s)


def plan_failure(budget: Obj, why: str, now: float) -> Obj:
    """The status of a budget that cannot be worked out: nothing is allowed."""
    status = {**deep_copy(budget.get("status") or {}), "disruptionsAllowed": 0}
    condition = {"type": _ALLOWED, "status": "False", "reason": "SyncFailed", "message": why}
    condition["observedGeneration"] = status.get("observedGeneration", 0)
    set_condition(status.setdefault("conditions", []), condition, now)
    return status


def needs_scale(spec: Obj) -> bool:
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def _expected(spec: Obj, count: int, wanted: int | None) -> tuple[int, int]:
    """(pods there should be, pods that must stay healthy)."""
    if spec.get("maxUnavailable") is not None:
        expected = wanted or 0
        return expected, max(expected - scaled(spec["maxUnavailable"], expected), 0)
    least = spec.get("minAvailable")
    if isinstance(least, str):
        expected = wanted or 0
        return expected, scaled(least, expected)
    return count, int(least) if least is not None else 1


def scaled(bound: int | str, of: int) -> int:
    """A number, or a percentage of `of`, rounded up."""
    if isinstance(bound, int):
        return bound
    return -(-int(bound.rstrip("%")) * of // 100)


def _still_disrupted(
    pods: Sequence[Obj], noted: Mapping[str, str], now: float
) -> tuple[dict[str, str], tuple[str, ...], float | None]:
    disrupted: dict[str, str] = {}
    overdue: list[str] = []
    again_s: float | None = None
    for pod in pods:
        name = pod["metadata"]["name"]
        if name not in noted or is_being_deleted(pod):
            continue
        left_s = parse_rfc3339(noted[name]) + DISRUPTED_FOR_S - now
        if left_s < 0:
            overdue.append(name)
            continue
        disrupted[name] = noted[name]
        again_s = left_s if again_s is None else min(again_s, left_s)
    return disrupted, tuple(overdue), again_s


def selects(budget: Obj, pod: Obj) -> bool:
    try:
        selector = label_selector_of((budget.get("spec") or {}).get("selector"))
    except SelectorError:
        return False
    return selector.matches(labels(pod))


def pod_to_budgets(ctx: Context, pod: Obj) -> Iterable[Key]:
    budgets = ctx.lister(PODDISRUPTIONBUDGETS).list(pod["metadata"]["namespace"])
    return [key_of(budget) for budget in budgets if selects(budget, pod)]


def _matters(old: Obj, new: Obj) -> bool:
    return (
        is_ready(old) != is_ready(new)
        or is_being_deleted(old) != is_being_deleted(new)
        or labels(old) != labels(new)
        or controller_of(old) != controller_of(new)
    )


@reconciler(
    PODDISRUPTIONBUDGETS,
    watches=(Watch(PODS, pod_to_budgets, relevant=_matters),),
    reads=(REPLICASETS, DEPLOYMENTS),
    workers=2,
    name="disruption",
    event_source="controllermanager",
)
async def reconcile(ctx: Context, key: Key) -> float | None:
    budget = ctx.get(key)
    if budget is None or is_being_deleted(budget):
        return None
    pods = ctx.lister(PODS).list(key.namespace, lambda pod: selects(budget, pod))
    if not pods:
        ctx.events.event(budget, "Normal", "NoPods", "No matching pods found")
    try:
        wanted = await _wanted(ctx, budget, pods) if needs_scale(budget.get("spec") or {}) else None
    except (Unscalable, NotFound, MethodNotAllowed) as error:
        why = f"Failed to calculate the number of expected pods: {error}"
        ctx.events.event(budget, "Warning", "CalculateExpectedPodCountFailed", why)
        await _write(ctx, budget, plan_failure(budget, str(error), ctx.now))
        return 30.0
    planned = plan(budget, pods, wanted, ctx.now)
    for pod in pods:
        if pod["metadata"]["name"] in planned.overdue:
            text = f"Pod was expected by PDB {key.namespace}/{key.name} to be deleted but it wasn't"
            ctx.events.event(pod, "Warning", "NotDeleted", text)
    await _write(ctx, budget, planned.status)
    return planned.again_s + 1.0 if planned.again_s is not None else None


async def _write(ctx: Context, budget: Obj, status: Obj) -> None:
    if status != budget.get("status"):
        with contextlib.suppress(NotFound):
            await ctx.client.update(PODDISRUPTIONBUDGETS, {**budget, "status": status}, subresource="status")


async def _wanted(ctx: Context, budget: Obj, pods: Sequence[Obj]) -> int:
    """What the pods' controllers want together. Raises Unscalable, NotFound."""
    scales: dict[str, int] = {}
    unmanaged = False
    for pod in pods:
        ref = controller_of(pod)
        if ref is None:
            unmanaged = True
        elif ref["uid"] not in scales:
            owner, replicas = await _scale(ctx, pod, ref)
            scales[ref["uid"]] = 0  # many ReplicaSets of one Deployment count once
            scales[owner] = replicas
    if unmanaged:
        selector = (budget.get("spec") or {}).get("selector")
        text = (
            f"Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a "
            "result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. "
            'To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
        )
        ctx.events.event(budget, "Warning", "UnmanagedPods", text)
    return sum(scales.values())


async def _scale(ctx: Context, pod: Obj, ref: Obj) -> tuple[str, int]:
    """(uid of the controller that decides, its replicas)."""
    namespace = pod["metadata"]["namespace"]
    if ref["kind"] == "ReplicaSet" and ref["apiVersion"].startswith("apps/"):
        replica_set = ctx.lister(REPLICASETS).get(namespace, ref["name"])
        if replica_set is None or uid(replica_set) != ref["uid"]:
            raise Unscalable(f'found no controllers for pod "{pod["metadata"]["name"]}"')
        above = controller_of(replica_set)
        if above is None or above["kind"] != "Deployment":
            return uid(replica_set), _replicas(replica_set)
        deployment = ctx.lister(DEPLOYMENTS).get(namespace, above["name"])
        if deployment is not None and uid(deployment) == above["uid"]:
            return uid(deployment), _replicas(deployment)
        raise Unscalable(f'found no controllers for pod "{pod["metadata"]["name"]}"')
    gvr = await _resource_of(ctx, ref["apiVersion"], ref["kind"])
    if gvr is None:
        raise Unscalable(f"{ref['apiVersion']}, Kind={ref['kind']} is not served")
    try:
        scale = await ctx.client.get(gvr, ref["name"], namespace, subresource="scale")
    except ApiError as error:
        if error.code in (404, 405):
            name = gvr.resource + (f".{gvr.group}" if gvr.group else "")
            raise Unscalable(f"{name} does not implement the scale subresource") from error
        raise
    return ref["uid"], _replicas(scale)


def _replicas(obj: Obj) -> int:
    replicas = (obj.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


async def _resource_of(ctx: Context, api_version: str, kind: str) -> GVR | None:
    known: dict[tuple[str, str], GVR] = ctx.memory.setdefault("resources", {})
    wanted = (api_version.rpartition("/")[0], kind)
    if wanted not in known:
        resources, _ = await discover(ctx.client, ("get",))
        known.update({(each.group, each.kind): each for each in resources})
    return known.get(wanted)
