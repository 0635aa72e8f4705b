"""A Deployment's status: counts, and the conditions Available, Progressing and ReplicaFailure. Pure.

Source: Kubernetes deployment/sync.go and progress.go; the page "Deployments", section status.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controllers.deployment_scaling import Bounds, available_of, total_size
from controllers.podstate import without_zeros
from machinery.clock import parse_rfc3339, rfc3339
from machinery.objects import deep_copy, find_condition

Obj = dict[str, Any]

NEW_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
_NO_DEADLINE = 2**31 - 1  # upstream's way to say that progress is not watched


def deadline_of(deployment: Obj) -> int | None:
    """progressDeadlineSeconds, None where progress is not watched."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    return None if deadline is None or deadline == _NO_DEADLINE else int(deadline)


def set_condition(
    conditions: list[Obj], type_: str, status: str, reason: str, message: str, now: float
) -> None:
    """Unchanged where status and reason are; lastTransitionTime moves with the status only."""
    stamp = rfc3339(now)
    current = find_condition(conditions, type_)
    if current is not None and current["status"] == status and current.get("reason") == reason:
        return
    moved = current is None or current["status"] != status
    condition = {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp if moved or current is None else current["lastTransitionTime"],
    }
    conditions[:] = [*(c for c in conditions if c["type"] != type_), condition]


def plan_counts(
    deployment: Obj, bounds: Bounds, replicasets: Sequence[Obj], newest: Obj | None, now: float
) -> Obj:
    """The status but for Progressing and ReplicaFailure."""
    old = deployment.get("status") or {}
    available = sum(map(available_of, replicasets))
    conditions = deep_copy(old.get("conditions") or [])
    if available >= bounds.min_available:
        message = "Deployment has minimum availability."
        set_condition(conditions, "Available", "True", "MinimumReplicasAvailable", message, now)
    else:
        message = "Deployment does not have minimum availability."
        set_condition(conditions, "Available", "False", "MinimumReplicasUnavailable", message, now)
    status = without_zeros(
        {
            "observedGeneration": deployment["metadata"].get("generation", 0),
            "replicas": _status_sum(replicasets, "replicas"),
            "updatedReplicas": _status_sum([newest] if newest is not None else [], "replicas"),
            "readyReplicas": _status_sum(replicasets, "readyReplicas"),
            "availableReplicas": available,
            "unavailableReplicas": max(0, total_size(replicasets) - available),
        }
    )
    status["terminatingReplicas"] = _status_sum(replicasets, "terminatingReplicas")
    if old.get("collisionCount") is not None:
        status["collisionCount"] = old["collisionCount"]
    status["conditions"] = conditions
    return status


def _status_sum(replicasets: Sequence[Obj], name: str) -> int:
    return sum(int((each.get("status") or {}).get(name) or 0) for each in replicasets)


def is_complete(deployment: Obj, bounds: Bounds, status: Obj) -> bool:
    """The rollout has arrived: all pods are of the newest template and available."""
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    observed = int(status.get("observedGeneration", 0)) >= deployment["metadata"].get("generation", 0)
    return observed and all(status.get(name, 0) == bounds.replicas for name in counts)


def _has_progressed(old: Obj, new: Obj) -> bool:
    def outdated(status: Obj) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return bool(outdated(new) < outdated(old)) or any(
        int(new.get(name, 0)) > int(old.get(name, 0)) for name in grown
    )


def add_rollout_conditions(
    deployment: Obj, bounds: Bounds, status: Obj, replicasets: Sequence[Obj], newest: Obj | None, now: float
) -> None:
    """Progressing and ReplicaFailure, into `status`."""
    conditions = status["conditions"]
    old = deployment.get("status") or {}
    name = deployment["metadata"]["name"]
    subject = f'ReplicaSet "{newest["metadata"]["name"]}"' if newest is not None else f'Deployment "{name}"'
    deadline_s = deadline_of(deployment)
    current = find_condition(conditions, "Progressing")
    arrived = (
        status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and current is not None
        and current.get("reason") == NEW_AVAILABLE
    )
    if deadline_s is None:
        conditions[:] = [c for c in conditions if c["type"] != "Progressing"]
    elif not arrived:
        if is_complete(deployment, bounds, status):
            message = f"{subject} has successfully progressed."
            set_condition(conditions, "Progressing", "True", NEW_AVAILABLE, message, now)
        elif _has_progressed(old, status):
            _mark_progress(conditions, current, f"{subject} is progressing.", now)
        elif has_timed_out(current, deadline_s, now):
            message = f"{subject} has timed out progressing."
            set_condition(conditions, "Progressing", "False", TIMED_OUT, message, now)
    failure = _replica_failure(replicasets, newest)
    conditions[:] = [c for c in conditions if c["type"] != "ReplicaFailure"]
    if failure is not None:
        stamp = failure.get("lastTransitionTime") or rfc3339(now)
        conditions.append({**failure, "lastUpdateTime": stamp, "lastTransitionTime": stamp})


def _mark_progress(conditions: list[Obj], current: Obj | None, message: str, now: float) -> None:
    """Renews lastUpdateTime even where nothing else changes: the deadline counts from it."""
    kept = current["lastTransitionTime"] if current is not None and current["status"] == "True" else None
    conditions[:] = [c for c in conditions if c["type"] != "Progressing"]
    set_condition(conditions, "Progressing", "True", "ReplicaSetUpdated", message, now)
    if kept is not None:
        conditions[-1]["lastTransitionTime"] = kept


def _replica_failure(replicasets: Sequence[Obj], newest: Obj | None) -> Obj | None:
    """The newest ReplicaSet's failure, else any other's."""
    for each in (*([newest] if newest is not None else []), *replicasets):
        if (condition := find_condition(each, "ReplicaFailure")) is not None:
            return dict(condition)
    return None


def has_timed_out(progressing: Obj | None, deadline_s: int, now: float) -> bool:
    if progressing is None or progressing.get("reason") == NEW_AVAILABLE:
        return False
    if progressing.get("reason") == TIMED_OUT:
        return True
    return parse_rfc3339(progressing["lastUpdateTime"]) + deadline_s < now


def deadline_check_s(deployment: Obj, bounds: Bounds, status: Obj, now: float) -> float | None:
    """Seconds until the progress deadline has to be looked at again; None where it does not run: it is a rollout's,
    and not that of pods which fail once it is through."""
    deadline_s = deadline_of(deployment)
    progressing = find_condition(status["conditions"], "Progressing")
    if deadline_s is None or progressing is None or deployment["spec"].get("paused"):
        return None
    if progressing.get("reason") in (NEW_AVAILABLE, TIMED_OUT) or is_complete(deployment, bounds, status):
        return None
    return max(0.0, parse_rfc3339(progressing["lastUpdateTime"]) + deadline_s - now) + 1.0


def plan_pause_condition(deployment: Obj, conditions: list[Obj], now: float) -> None:
    """Pausing stops the deadline's clock, resuming starts it anew."""
    current = find_condition(conditions, "Progressing")
    if deadline_of(deployment) is None or (current is not None and current.get("reason") == TIMED_OUT):
        return
    was_paused = current is not None and current.get("reason") == "DeploymentPaused"
    if deployment["spec"].get("paused") and not was_paused:
        set_condition(conditions, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", now)
    elif not deployment["spec"].get("paused") and was_paused:
        set_condition(conditions, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed", now)
