"""The Deployment controller: one ReplicaSet per pod template, and the way from one to the next.

Owns     ReplicaSets whose controller reference is the Deployment; adopts matching ones without.
Woken by changes of the Deployment, of its ReplicaSets, and (Recreate only) by the end of a pod.
Keeps    the newest ReplicaSet growing and the old ones shrinking within maxSurge and maxUnavailable;
         revision numbers; at most revisionHistoryLimit old empty ReplicaSets; the status.

Invariants: the plan depends only on what the caches show and on `now`; a paused Deployment is scaled
but never rolled out; Recreate starts the new pods only when the last old one has ended.

A rollback is no verb here: `kubectl rollout undo` writes an old template into the Deployment, and
the ReplicaSet that has it becomes the newest again, with the next revision.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.claims import Claims, apply_claims, plan_claims
from controllers.deployment_revision import (
    REVISION,
    by_age,
    find_newest,
    is_same_template,
    new_replicaset,
    newest_annotations,
    next_revision,
    replica_annotations,
    revision_of,
)
from controllers.deployment_scaling import (
    Bounds,
    Sizes,
    bounds_of,
    is_scaling_event,
    newest_size,
    plan_proportional,
    plan_rolling,
    size_of,
    total_size,
)
from controllers.deployment_status import (
    add_rollout_conditions,
    deadline_check_s,
    deadline_of,
    is_complete,
    plan_counts,
    plan_pause_condition,
    set_condition,
)
from controllers.framework import Context, Key, Watch, reconciler
from controllers.framework.reconciler import controller_keys
from controllers.podstate import is_terminated
from machinery.errors import AlreadyExists, ApiError, NotFound
from machinery.gvk import DEPLOYMENTS, PODS, REPLICASETS
from machinery.objects import annotations as annotations_of
from machinery.objects import deep_copy, find_condition, is_being_deleted, is_controlled_by, uid
from machinery.selectors import label_selector_of

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A ReplicaSet as it should be; `before` is its size until now."""

    replicaset: Obj
    before: int

    @property
    def event(self) -> str:
        """What is told of it; "" where only annotations change."""
        after, name = size_of(self.replicaset), self.replicaset["metadata"]["name"]
        if after == self.before:
            return ""
        direction = "up" if after > self.before else "down"
        return f"Scaled {direction} replica set {name} from {self.before} to {after}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Applied in this order; what fails leaves the rest for the next pass."""

    claims: Claims
    create: Obj | None
    changes: tuple[Change, ...]
    delete: tuple[Obj, ...]
    status: Obj
    revision: int  # 0: leave the Deployment's as it is
    recheck_s: float | None


def plan(
    deployment: Obj,
    owned: Sequence[Obj],
    orphans: Iterable[Obj],
    pods: Mapping[str, Sequence[Obj]],
    now: float,
) -> Plan:
    """`pods` are the pods by the uid of their ReplicaSet (asked for with Recreate only)."""
    spec = deployment["spec"]
    claims = plan_claims(deployment, label_selector_of(spec.get("selector")), owned, orphans)
    held = by_age(claims.held)
    bounds = bounds_of(deployment)
    newest = find_newest(deployment, held)
    old = [each for each in held if each is not newest]
    if is_being_deleted(deployment):
        status = plan_counts(deployment, bounds, held, newest, now)
        return Plan(claims, None, (), (), status, 0, None)
    deployment = {**deployment, "status": deep_copy(deployment.get("status") or {})}
    conditions = deployment["status"].setdefault("conditions", [])
    plan_pause_condition(deployment, conditions, now)
    revision = next_revision(old)
    create: Obj | None = None
    if spec.get("paused") or _is_scaling(bounds, held):
        sizes = plan_proportional(bounds, newest, old, int(deployment["status"].get("replicas") or 0))
        rolling_out = False
    else:
        rolling_out = True
        may_create = bounds.rolling or not _old_pods_run(newest, old, pods)
        if newest is None and may_create:
            create = new_replicaset(deployment, revision, DEPLOYMENTS.api_version, DEPLOYMENTS.kind)
            create["spec"]["replicas"] = newest_size(bounds, 0, total_size(old))
            create["metadata"]["annotations"] |= replica_annotations(bounds.replicas, bounds.max_total)
        sizes = _rollout_sizes(bounds, newest, old, pods)
    changes = _changes(deployment, bounds, newest, held, sizes, revision)
    changed = {uid(change.replicaset): change.replicaset for change in changes}
    after = [changed.get(uid(each), each) for each in held]
    newest_after = changed.get(uid(newest), newest) if newest is not None else None
    status = plan_counts(deployment, bounds, after, newest_after, now)
    _add_found_condition(deployment, status, newest, now)
    if rolling_out:
        add_rollout_conditions(deployment, bounds, status, after, newest_after, now)
    may_clean = spec.get("paused") or (rolling_out and is_complete(deployment, bounds, status))
    delete = _surplus_history(deployment, old, changed) if may_clean else ()
    return Plan(
        claims,
        create,
        changes,
        delete,
        status,
        revision_of_newest(newest, revision) if newest is not None else 0,
        deadline_check_s(deployment, bounds, status, now),
    )


def _is_scaling(bounds: Bounds, replicasets: Sequence[Obj]) -> bool:
    """Recreate has nothing to spread: with several active ReplicaSets it only empties the old ones."""
    several = sum(size_of(each) > 0 for each in replicasets) > 1
    return is_scaling_event(bounds, replicasets) and (bounds.rolling or not several)


def revision_of_newest(newest: Obj, revision: int) -> int:
    return max(revision_of(newest), revision)


def _rollout_sizes(
    bounds: Bounds, newest: Obj | None, old: Sequence[Obj], pods: Mapping[str, Sequence[Obj]]
) -> Sizes:
    if bounds.rolling:
        return plan_rolling(bounds, newest, old) if newest is not None else {}
    active = [each for each in old if size_of(each)]
    if active:
        return {each["metadata"]["name"]: 0 for each in active}
    if newest is None or _old_pods_run(newest, old, pods):
        return {}
    return {newest["metadata"]["name"]: bounds.replicas}


def _old_pods_run(newest: Obj | None, old: Sequence[Obj], pods: Mapping[str, Sequence[Obj]]) -> bool:
    """Recreate waits for this to end: old ReplicaSets have replicas, or pods that have not ended."""
    if any(size_of(each) or (each.get("status") or {}).get("replicas") for each in old):
        return True
    newest_uid = uid(newest) if newest is not None else None
    return any(not is_terminated(pod) for owner, each in pods.items() if owner != newest_uid for pod in each)


def _changes(
    deployment: Obj, bounds: Bounds, newest: Obj | None, held: Sequence[Obj], sizes: Sizes, revision: int
) -> tuple[Change, ...]:
    """Sizes, and the annotations and minReadySeconds that must go along, as whole objects."""
    changes = []
    min_ready_s = deployment["spec"].get("minReadySeconds") or 0
    for each in held:
        name = each["metadata"]["name"]
        wanted = dict(annotations_of(each))
        spec = dict(each["spec"])
        if each is newest:
            wanted = newest_annotations(deployment, each, revision)
            if (spec.get("minReadySeconds") or 0) != min_ready_s:
                spec["minReadySeconds"] = min_ready_s
        if name in sizes:
            spec["replicas"] = sizes[name]
            wanted |= replica_annotations(bounds.replicas, bounds.max_total)
        if spec != each["spec"] or wanted != annotations_of(each):
            metadata = {**each["metadata"], "annotations": wanted}
            changes.append(Change({**each, "metadata": metadata, "spec": spec}, size_of(each)))
    return tuple(changes)


def _add_found_condition(deployment: Obj, status: Obj, newest: Obj | None, now: float) -> None:
    """A Deployment that gets its progress watched late counts from now."""
    if newest is None or deadline_of(deployment) is None:
        return
    if find_condition(status["conditions"], "Progressing") is None:
        message = f'Found new replica set "{newest["metadata"]["name"]}"'
        set_condition(status["conditions"], "Progressing", "True", "FoundNewReplicaSet", message, now)


def _surplus_history(deployment: Obj, old: Sequence[Obj], changed: Mapping[str, Obj]) -> tuple[Obj, ...]:
    """Old ReplicaSets beyond the history limit, by revision, if they are empty and settled."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    alive = sorted((each for each in old if not is_being_deleted(each)), key=revision_of)
    if limit is None or len(alive) <= limit:
        return ()
    return tuple(
        each for each in alive[: len(alive) - limit] if uid(each) not in changed and _is_settled_empty(each)
    )


def _is_settled_empty(replicaset: Obj) -> bool:
    status = replicaset.get("status") or {}
    return (
        size_of(replicaset) == 0
        and not status.get("replicas")
        and status.get("observedGeneration", 0) >= replicaset["metadata"].get("generation", 0)
    )


def pod_to_deployment(ctx: Context, pod: Obj) -> Iterable[Key]:
    """Recreate waits for pods to end; only a pod's end or beginning comes here, not its changes."""
    for key in controller_keys(REPLICASETS, pod):
        replicaset = ctx.lister(REPLICASETS).get(*key)
        for owner in controller_keys(DEPLOYMENTS, replicaset) if replicaset is not None else ():
            deployment = ctx.get(owner)
            if deployment is not None and not bounds_of(deployment).rolling:
                yield owner


@reconciler(
    DEPLOYMENTS,
    owns=(REPLICASETS,),
    watches=(
        Watch(PODS, pod_to_deployment, relevant=lambda old, new: is_terminated(new) != is_terminated(old)),
    ),
    workers=5,
    event_source="deployment-controller",
)
async def reconcile(ctx: Context, key: Key) -> float | None:
    deployment = ctx.get(key)
    if deployment is None:
        return None
    selector = deployment["spec"].get("selector") or {}
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        message = "This deployment is selecting all pods. A non-empty selector is required."
        ctx.events.event(deployment, "Warning", "SelectingAll", message)
        return None
    owned, orphans = ctx.owned(REPLICASETS, deployment), ctx.orphans(REPLICASETS, key.namespace)
    todo = plan(deployment, owned, orphans, _pods_of(ctx, deployment, owned), ctx.now)
    await apply_claims(ctx.client, REPLICASETS, deployment, DEPLOYMENTS, todo.claims)
    status, revision = todo.status, todo.revision
    if todo.create is not None:
        status, revision = await _create_newest(ctx, deployment, todo)
    for change in todo.changes:
        await ctx.client.update(REPLICASETS, change.replicaset)
        if change.event:
            ctx.events.event(deployment, "Normal", "ScalingReplicaSet", change.event)
    for each in todo.delete:
        await _delete(ctx, each)
    await _update_status(ctx, deployment, status, revision)
    return todo.recheck_s


def _pods_of(ctx: Context, deployment: Obj, replicasets: Sequence[Obj]) -> dict[str, list[Obj]]:
    """Needed with Recreate only."""
    if bounds_of(deployment).rolling:
        return {}
    pods: dict[str, list[Obj]] = {uid(each): [] for each in replicasets}
    for pod in ctx.lister(PODS).list(deployment["metadata"]["namespace"]):
        for ref in pod["metadata"].get("ownerReferences") or ():
            if ref.get("controller") and ref["uid"] in pods:
                pods[ref["uid"]].append(pod)
    return pods


async def _create_newest(ctx: Context, deployment: Obj, todo: Plan) -> tuple[Obj, int]:
    """Creates the newest ReplicaSet; gives the status and the revision to write."""
    assert todo.create is not None
    status = {**todo.status, "conditions": deep_copy(todo.status["conditions"])}
    name, namespace = todo.create["metadata"]["name"], todo.create["metadata"]["namespace"]
    watched = deadline_of(deployment) is not None
    try:
        await ctx.client.create(REPLICASETS, todo.create)
    except AlreadyExists:
        present = await ctx.client.get(REPLICASETS, name, namespace)
        if is_controlled_by(present, deployment) and is_same_template(
            present["spec"]["template"], deployment["spec"]["template"]
        ):
            return status, 0  # ours, and only the cache did not show it yet
        status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
        await _update_status(ctx, deployment, status, 0)
        raise  # the next pass takes the next name
    except ApiError as error:
        if any(cause.reason == "NamespaceTerminating" for cause in error.causes):
            return status, 0
        message = f'Failed to create new replica set "{name}": {error.message}'
        ctx.events.event(deployment, "Warning", "ReplicaSetCreateError", message)
        if watched:
            set_condition(
                status["conditions"], "Progressing", "False", "ReplicaSetCreateError", message, ctx.now
            )
            await _update_status(ctx, deployment, status, 0)
        raise
    if size := size_of(todo.create):
        message = f"Scaled up replica set {name} from 0 to {size}"
        ctx.events.event(deployment, "Normal", "ScalingReplicaSet", message)
    if watched:
        message = f'Created new replica set "{name}"'
        set_condition(status["conditions"], "Progressing", "True", "NewReplicaSetCreated", message, ctx.now)
    return status, revision_of(todo.create)


async def _delete(ctx: Context, replicaset: Obj) -> None:
    meta = replicaset["metadata"]
    with contextlib.suppress(NotFound):
        await ctx.client.delete(REPLICASETS, meta["name"], meta["namespace"], uid=uid(replicaset))


async def _update_status(ctx: Context, deployment: Obj, status: Obj, revision: int) -> None:
    """Status, and the revision annotation, which may be written through the status subresource."""
    metadata = deployment["metadata"]
    annotations = dict(annotations_of(deployment))
    if revision and annotations.get(REVISION) != str(revision):
        annotations[REVISION] = str(revision)
        metadata = {**metadata, "annotations": annotations}
    if status == deployment.get("status") and metadata is deployment["metadata"]:
        return
    changed = {**deployment, "metadata": metadata, "status": status}
    with contextlib.suppress(NotFound):
        await ctx.client.update(DEPLOYMENTS, changed, subresource="status")
