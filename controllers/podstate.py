"""What controllers ask about a pod: is it alive, ready, available; and how one is made from a template."""

from __future__ import annotations

from typing import Any

from machinery.clock import parse_rfc3339
from machinery.objects import deep_copy, find_condition, is_being_deleted, owner_reference

Obj = dict[str, Any]


def phase_of(pod: Obj) -> str:
    return (pod.get("status") or {}).get("phase") or "Pending"


def is_terminated(pod: Obj) -> bool:
    """All containers have ended for good."""
    return phase_of(pod) in ("Succeeded", "Failed")


def is_active(pod: Obj) -> bool:
    """Counts as a replica: not ended and not on its way out."""
    return not is_terminated(pod) and not is_being_deleted(pod)


def is_terminating(pod: Obj) -> bool:
    """On its way out, and its containers may still run."""
    return is_being_deleted(pod) and not is_terminated(pod)


def ready_since(pod: Obj) -> float | None:
    """When the pod became ready; None while it is not."""
    condition = find_condition(pod, "Ready")
    if condition is None or condition.get("status") != "True":
        return None
    stamp = condition.get("lastTransitionTime")
    return parse_rfc3339(stamp) if stamp else 0.0


def is_ready(pod: Obj) -> bool:
    return ready_since(pod) is not None


def available_in_s(pod: Obj, min_ready_s: int, now: float) -> float | None:
    """Seconds until the pod counts as available: 0 when it does, None while it is not ready."""
    since = ready_since(pod)
    if since is None:
        return None
    if min_ready_s == 0:
        return 0.0
    return max(0.0, since + min_ready_s - now)


def pod_from_template(template: Obj, owner: Obj, *, api_version: str, kind: str) -> Obj:
    """A pod to create for `owner`; the server completes its name."""
    meta = template.get("metadata") or {}
    metadata: Obj = {
        "generateName": f"{owner['metadata']['name']}-",
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [owner_reference(owner, api_version=api_version, kind=kind)],
    }
    for key in ("labels", "annotations", "finalizers"):
        if meta.get(key):
            metadata[key] = deep_copy(meta[key])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": deep_copy(template.get("spec") or {}),
    }


def without_zeros(status: Obj) -> Obj:
    """Counts that are zero are absent on the wire."""
    return {key: value for key, value in status.items() if value != 0}
