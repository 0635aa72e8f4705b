"""What a CustomResourceDefinition says of its state: conditions, and the finalizer that keeps it until its instances are gone.

Source: apiextensions-apiserver pkg/registry/customresourcedefinition/etcd.go, pkg/controller/finalizer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Obj = dict[str, Any]

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def set_condition(
    conditions: list[dict[str, Any]], kind: str, status: str, reason: str, message: str, now: str
) -> None:
    wanted = {"type": kind, "status": status, "reason": reason, "message": message}
    for condition in conditions:
        if condition["type"] == kind:
            if condition["status"] != status:
                condition["lastTransitionTime"] = now
            condition.update(wanted)
            return
    conditions.append(
        {"type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message}
    )


def set_terminating(crd: Obj, now: str, *, done: bool) -> None:
    """Whether the definition's instances are gone."""
    conditions = crd.setdefault("status", {}).setdefault("conditions", [])
    if done:
        said = ("False", "InstanceDeletionCompleted", "removed all instances")
    else:
        said = ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")
    set_condition(conditions, "Terminating", *said, now)


def is_true(conditions: Iterable[dict[str, Any]], kind: str) -> bool:
    return any(each["type"] == kind and each["status"] == "True" for each in conditions)


def mark_deleted(crd: Obj, now: str) -> None:
    """Of the first request to delete a definition: from here on it waits for its instances to go."""
    meta = crd["metadata"]
    meta["deletionTimestamp"] = now
    if CLEANUP not in (meta.get("finalizers") or ()):
        meta["finalizers"] = [*(meta.get("finalizers") or ()), CLEANUP]
    conditions = crd.setdefault("status", {}).setdefault("conditions", [])
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    set_condition(conditions, "Terminating", "True", "InstanceDeletionPending", message, now)
