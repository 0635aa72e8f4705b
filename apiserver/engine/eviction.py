"""POST to pods/NAME/eviction: a polite deletion, as the pod's disruption budget allows.

    pod over, pending or going       → deleted, no budget is asked
    no budget selects it             → deleted
    not ready, and the policy lets   → deleted, nothing is spent
    allowance left                   → spent by compare and swap, pod noted in disruptedPods, deleted
    else                             → 429 TooManyRequests, with the budget's numbers as its cause

A pod that goes is first marked with the condition DisruptionTarget. Source: KEP-85, KEP-3017 (unhealthy pods),
KEP-3329 (DisruptionTarget); pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from api.resource import Obj
from apiserver.engine.actions import success
from apiserver.engine.delete import delete
from apiserver.engine.delete_options import parse_delete
from apiserver.engine.engine import Call, Engine, Written
from apiserver.engine.query import parse_query
from apiserver.engine.write import Change, Scope, guaranteed_update, load_current
from apiserver.storage.store import Entry
from machinery.clock import rfc3339
from machinery.errors import (
    BadRequest,
    Cause,
    Conflict,
    Forbidden,
    InternalError,
    NotFound,
    Timeout,
    TooManyRequests,
)
from machinery.objects import find_condition, set_condition
from machinery.selectors import SelectorError, label_selector_of

VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
MOST_DISRUPTED = 2000
_TRIES = 20
_ALLOWED = "DisruptionAllowed"

# free: no budget is spent; spend: one disruption; steady: as free, if the pod is still not ready when it is deleted
Way = Literal["free", "spend", "steady"]


def plan_eviction(pod: Obj, budgets: Sequence[Obj]) -> Way:
    """`budgets` are those that select the pod. Raises InternalError for several."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed", "Pending"):
        return "free"
    if pod["metadata"].get("deletionTimestamp") or not budgets:
        return "free"
    if len(budgets) > 1:
        raise InternalError(SEVERAL)
    ready = find_condition(pod, "Ready")
    if ready is not None and ready.get("status") == "True":
        return "spend"
    spec, status = budgets[0].get("spec") or {}, budgets[0].get("status") or {}
    if spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return "steady"
    desired = status.get("desiredHealthy", 0)
    return "steady" if desired > 0 and status.get("currentHealthy", 0) >= desired else "spend"


def spend(budget: Obj, pod_name: str, now: str) -> None:
    """Takes one disruption from the budget's status. Raises TooManyRequests, Forbidden."""
    meta, status = budget["metadata"], budget.setdefault("status", {})
    name, allowed = meta["name"], status.get("disruptionsAllowed", 0)
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        raise _violates(f"The disruption budget {name} is still being processed by the server.", 10)
    if allowed < 0:
        raise _refused(name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or ()) > MOST_DISRUPTED:
        raise _refused(name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller")
    if allowed == 0:
        condition = find_condition(budget, _ALLOWED) or {}
        if condition.get("reason") == "SyncFailed":
            why = "does not allow evicting pods currently because it failed sync: " + condition.get(
                "message", ""
            )
        else:
            desired, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
            why = f"needs {desired} healthy pods and has {healthy} currently"
        raise _violates(f"The disruption budget {name} {why}")
    status["disruptionsAllowed"] = allowed - 1
    status.setdefault("disruptedPods", {})[pod_name] = now
    if allowed == 1:
        spent = {"type": _ALLOWED, "status": "False", "reason": "InsufficientPods", "message": ""}
        condition = find_condition(budget, _ALLOWED) or {}
        changed = condition.get("status") != "False"
        spent["lastTransitionTime"] = now if changed else condition.get("lastTransitionTime", now)
        status["conditions"] = [
            *(each for each in status.get("conditions") or () if each.get("type") != _ALLOWED),
            {**condition, **spent},
        ]


def _violates(why: str, retry_after_s: int = 0) -> TooManyRequests:
    return TooManyRequests(VIOLATES, causes=[Cause("DisruptionBudget", why)], retry_after_s=retry_after_s)


def _refused(name: str, why: str) -> Forbidden:
    message = f'poddisruptionbudget.policy "{name}" is forbidden: {why}'
    return Forbidden(message, group="policy", kind="poddisruptionbudget", name=name)


async def evict(engine: Engine, call: Call, eviction: Obj) -> Written:
    """Raises NotFound, TooManyRequests and what deletion raises. Answers 201 with a Status."""
    said = eviction["metadata"].get("name", call.name)
    if said != call.name:
        raise BadRequest("name in URL does not match name in Eviction object")
    asked = eviction.get("deleteOptions")
    options = parse_delete({**asked, "kind": "DeleteOptions"} if asked else None, parse_query(b""))
    if call.options.dry_run or options.dry_run:
        options = replace(options, dry_run=True)
        call = replace(call, options=replace(call.options, dry_run=True))
    for _ in range(_TRIES):
        entry = await load_current(engine, call)
        pod = call.served.load(entry)
        budgets = await _budgets(engine, call, pod)
        way = plan_eviction(pod, budgets)
        if way == "spend":
            await _spend(engine, call, budgets[0]["metadata"]["name"])
        try:
            if way != "free":
                entry = await _mark(engine, call, entry if way == "steady" else None)
            await delete(engine, call, options, entry=entry, admitted=True)
        except Conflict:
            if options.uid or options.revision or way == "spend":
                raise
            continue
        return success()
    raise Timeout(f'could not evict pod "{call.name}": it keeps changing', retry_after_s=10)


async def _budgets(engine: Engine, call: Call, pod: Obj) -> list[Obj]:
    served = engine.catalog.find("policy", "poddisruptionbudgets")
    labels = pod["metadata"].get("labels")
    if served is None or not labels:
        return []
    entries = (await served.store.list(call.namespace)).entries
    return [budget for entry in entries if _selects(budget := served.load(entry), labels)]


def _selects(budget: Obj, labels: dict[str, str]) -> bool:
    try:
        return label_selector_of((budget.get("spec") or {}).get("selector")).matches(labels)
    except SelectorError:
        return False


async def _spend(engine: Engine, call: Call, name: str) -> None:
    served = engine.catalog.find("policy", "poddisruptionbudgets")
    if served is None:
        return
    now = rfc3339(engine.clock.now())

    def change(budget: Obj, entry: Entry) -> Change:
        spend(budget, call.name, now)
        return Change(budget, manager_op="")

    budget_call = Call(served, call.user, call.namespace, name, "status", options=call.options)
    try:
        await guaranteed_update(engine, budget_call, change, Scope(_unchanged, _no_causes, False))
    except NotFound:
        return  # it protects nothing any more
    except Conflict as error:
        text = f'couldn\'t update PodDisruptionBudget "{name}" due to conflicts'
        raise Timeout(text, retry_after_s=10) from error


async def _mark(engine: Engine, call: Call, seen: Entry | None) -> Entry:
    """Writes why the pod goes into its status; gives what stands then. `seen`: only while the pod is as it was."""
    now = engine.clock.now()
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }

    def change(pod: Obj, entry: Entry) -> Change:
        set_condition(pod.setdefault("status", {}).setdefault("conditions", []), condition, now)
        return Change(pod, str(seen.revision) if seen is not None else "", manager_op="")

    status_call = replace(call, subresource="status")
    scope = Scope(_unchanged, _no_causes, False)
    await guaranteed_update(engine, status_call, change, scope, entry=seen, admitted=True)
    return await load_current(engine, call)


def _unchanged(obj: Obj, old: Obj) -> None:
    return None


def _no_causes(obj: Obj, old: Obj) -> tuple[Cause, ...]:
    return ()
