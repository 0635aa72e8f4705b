"""The smallest strategic merge patch from one PodStatus to another. Pure.

Conditions merge by type, so that the conditions of other writers survive; addresses are replaced as a whole;
lists of containers are atomic and are sent whole. Keys that went away are sent as null.
"""

from __future__ import annotations

from nodeagent.podspec import Obj

# The node writes these and no others.
OWNED = (
    "phase",
    "reason",
    "message",
    "startTime",
    "qosClass",
    "observedGeneration",
    "hostIP",
    "hostIPs",
    "podIP",
    "podIPs",
    "initContainerStatuses",
    "containerStatuses",
    "ephemeralContainerStatuses",
)
_REPLACED = ("hostIPs", "podIPs")


def plan_status_patch(uid: str, old: Obj, new: Obj) -> Obj | None:
    """None when nothing differs. The uid stands in the patch, so that a namesake is never written."""
    changes: Obj = {}
    for key in OWNED:
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if after is None:
            changes[key] = None
        elif key in _REPLACED and before:
            changes[key] = [{"$patch": "replace"}, *after]
        else:
            changes[key] = after
    known = {c["type"]: c for c in old.get("conditions") or ()}
    conditions = [c for c in new.get("conditions") or () if not _same(known.get(c["type"]), c)]
    if conditions:
        changes["conditions"] = [_cleared(known.get(c["type"]), c) for c in conditions]
    return {"metadata": {"uid": uid}, "status": changes} if changes else None


def _same(old: Obj | None, new: Obj) -> bool:
    if old is None:
        return False
    return {k: v for k, v in old.items() if v is not None} == {k: v for k, v in new.items() if v is not None}


def _cleared(old: Obj | None, new: Obj) -> Obj:
    """A merge keeps what is not named: a reason that no longer holds must be taken away by name."""
    return {**{key: None for key in old or () if key not in new}, **new}
