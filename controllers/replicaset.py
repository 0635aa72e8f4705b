"""The ReplicaSet controller: as many pods as asked for, no more and no fewer.

Owns     pods whose controller reference is the ReplicaSet; adopts matching pods without controller.
Woken by changes of the ReplicaSet, of its pods, and of pods that nobody controls.
Keeps    active pods (not ended, not being deleted) = spec.replicas; status = what the cache shows.

Invariants: pods are created in batches of 1, 2, 4 ..., so a pod that is refused is refused once and
not a thousand times; at most 500 pods per pass; a pod is deleted only as one of its own by uid.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from client.transport import TransportError
from controllers.claims import Claims, apply_claims, plan_claims
from controllers.framework import Context, Key, Watch, reconciler
from controllers.podstate import (
    available_in_s,
    is_active,
    is_ready,
    is_terminating,
    pod_from_template,
    without_zeros,
)
from controllers.replicaset_ranking import pods_to_delete
from machinery.errors import ApiError, Invalid, NotFound
from machinery.gvk import PODS, REPLICASETS, key_of
from machinery.objects import controller_of, deep_copy, is_being_deleted, labels, set_condition, uid
from machinery.selectors import label_selector_of

Obj = dict[str, Any]

_BURST = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """`status` has no ReplicaFailure condition yet: that is known only after trying."""

    claims: Claims
    create: int
    delete: tuple[Obj, ...]
    status: Obj
    recheck_s: float | None  # when a ready pod becomes available


def plan(
    replicaset: Obj, owned: Sequence[Obj], orphans: Iterable[Obj], crowding: Counter[str], now: float
) -> Plan:
    """`owned` are the pods it controls, `orphans` those of its namespace without controller."""
    spec = replicaset["spec"]
    selector = label_selector_of(spec.get("selector"))
    claims = plan_claims(replicaset, selector, owned, (pod for pod in orphans if is_active(pod)))
    active = [pod for pod in claims.held if is_active(pod)]
    missing = 0 if is_being_deleted(replicaset) else _replicas(replicaset) - len(active)
    delete: tuple[Obj, ...] = ()
    if missing < 0:
        delete = tuple(pods_to_delete(active, min(-missing, _BURST), crowding, now))
    min_ready_s = spec.get("minReadySeconds") or 0
    waits = [available_in_s(pod, min_ready_s, now) for pod in active]
    pending = [wait for wait in waits if wait]
    template_labels = labels(spec.get("template") or {})
    status: Obj = {
        **without_zeros(
            {
                "fullyLabeledReplicas": sum(_has_labels(pod, template_labels) for pod in active),
                "readyReplicas": sum(map(is_ready, active)),
                "availableReplicas": waits.count(0.0),
                "observedGeneration": replicaset["metadata"].get("generation", 0),
            }
        ),
        "replicas": len(active),
        "terminatingReplicas": sum(map(is_terminating, claims.held)),
    }
    return Plan(claims, max(0, min(missing, _BURST)), delete, status, min(pending, default=None))


def pod_to_replicasets(ctx: Context, pod: Obj) -> Iterable[Key]:
    """A pod without controller wakes every ReplicaSet that could adopt it."""
    if controller_of(pod) is not None:
        return ()
    candidates = ctx.lister(REPLICASETS).list(pod["metadata"]["namespace"])
    return [
        key_of(each)
        for each in candidates
        if label_selector_of(each["spec"].get("selector")).matches(labels(pod))
    ]


@reconciler(
    REPLICASETS,
    owns=(PODS,),
    watches=(Watch(PODS, pod_to_replicasets),),
    workers=5,
    event_source="replicaset-controller",
)
async def reconcile(ctx: Context, key: Key) -> float | None:
    replicaset = ctx.get(key)
    if replicaset is None:
        return None
    owned, orphans = ctx.owned(PODS, replicaset), ctx.orphans(PODS, key.namespace)
    todo = plan(replicaset, owned, orphans, _crowding(ctx, replicaset), ctx.now)
    await apply_claims(ctx.client, PODS, replicaset, REPLICASETS, todo.claims)
    failure: Exception | None = None
    try:
        if todo.create:
            await _create_pods(ctx, replicaset, todo.create)
        elif todo.delete:
            await _delete_pods(ctx, replicaset, todo.delete)
    except (ApiError, TransportError) as error:
        failure = error
    await _update_status(ctx, replicaset, todo, failure)
    if failure is not None:
        raise failure
    return todo.recheck_s


async def _create_pods(ctx: Context, replicaset: Obj, count: int) -> None:
    """Slow start: each batch twice the last, and none after one that failed."""
    batch = 1
    while count > 0:
        size = min(batch, count)
        results = await asyncio.gather(
            *(_create_pod(ctx, replicaset) for _ in range(size)), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        count -= size
        batch *= 2


async def _create_pod(ctx: Context, replicaset: Obj) -> None:
    pod = pod_from_template(
        replicaset["spec"]["template"],
        replicaset,
        api_version=REPLICASETS.api_version,
        kind=REPLICASETS.kind,
    )
    try:
        created = await ctx.client.create(PODS, pod)
    except ApiError as error:
        if any(cause.reason == "NamespaceTerminating" for cause in error.causes):
            return  # every pod to come would be refused too, and rightly
        ctx.events.event(replicaset, "Warning", "FailedCreate", f"Error creating: {error.message}")
        raise
    name = created["metadata"]["name"]
    ctx.events.event(replicaset, "Normal", "SuccessfulCreate", f"Created pod: {name}")


async def _delete_pods(ctx: Context, replicaset: Obj, pods: Sequence[Obj]) -> None:
    results = await asyncio.gather(
        *(_delete_pod(ctx, replicaset, pod) for pod in pods), return_exceptions=True
    )
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _delete_pod(ctx: Context, replicaset: Obj, pod: Obj) -> None:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    try:
        await ctx.client.delete(PODS, name, namespace, uid=uid(pod))
    except NotFound:
        return
    except ApiError as error:
        ctx.events.event(replicaset, "Warning", "FailedDelete", f"Error deleting: {error.message}")
        raise
    ctx.events.event(replicaset, "Normal", "SuccessfulDelete", f"Deleted pod: {name}")


async def _update_status(ctx: Context, replicaset: Obj, todo: Plan, failure: Exception | None) -> None:
    status = plan_status(replicaset, todo, str(failure) if failure else "", ctx.now)
    if status == replicaset.get("status"):
        return
    try:
        await ctx.client.update(REPLICASETS, {**replicaset, "status": status}, subresource="status")
    except NotFound:
        pass
    except Invalid:  # made anew under the same name: its own event is on the way
        pass


def plan_status(replicaset: Obj, todo: Plan, failure: str, now: float) -> Obj:
    """The status to be: counts from the plan, and ReplicaFailure as long as pods are refused."""
    conditions = deep_copy((replicaset.get("status") or {}).get("conditions") or [])
    present = any(condition["type"] == "ReplicaFailure" for condition in conditions)
    if failure and not present:
        reason = "FailedCreate" if todo.create else "FailedDelete"
        condition = {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": failure}
        set_condition(conditions, condition, now)
    elif not failure and present:
        conditions = [condition for condition in conditions if condition["type"] != "ReplicaFailure"]
    status = dict(todo.status)
    if conditions:
        status["conditions"] = conditions
    return status


def _crowding(ctx: Context, replicaset: Obj) -> Counter[str]:
    """Active pods per node of this ReplicaSet and those with the same controller (one Deployment)."""
    related = [replicaset]
    if (ref := controller_of(replicaset)) is not None:
        namespace = replicaset["metadata"]["namespace"]
        related = [
            each
            for each in ctx.lister(REPLICASETS).list(namespace)
            if (controller_of(each) or {}).get("uid") == ref["uid"]
        ]
    nodes: Counter[str] = Counter()
    for each in related:
        for pod in ctx.owned(PODS, each):
            if is_active(pod) and (node := (pod.get("spec") or {}).get("nodeName")):
                nodes[node] += 1
    return nodes


def _replicas(replicaset: Obj) -> int:
    replicas = replicaset["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _has_labels(pod: Obj, wanted: Any) -> bool:
    own = labels(pod)
    return all(own.get(name) == value for name, value in wanted.items())
