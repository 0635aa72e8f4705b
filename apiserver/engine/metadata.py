"""What the server itself writes into metadata: identity at birth, what an update may not change, generation.

Pure: time, uid and randomness come in as arguments. Kinds have no say here.
Source: Kubernetes API conventions, "Metadata"; ObjectMeta's validation.
"""

from __future__ import annotations

from typing import Any

from api.resource import Obj, Resource
from api.validation.errors import Errors
from api.validation.meta import (
    validate_finalizer_names,
    validate_object_meta,
    validate_object_meta_update,
)
from machinery.errors import BadRequest, Cause, conflict


def metadata_of(obj: Obj) -> dict[str, Any]:
    meta = obj.get("metadata")
    if meta is None:
        meta = obj["metadata"] = {}
    elif not isinstance(meta, dict):
        raise BadRequest("metadata must be an object")
    return meta


def drop_empty(meta: dict[str, Any]) -> None:
    """Labels of which the last was taken away are absent, not empty: a Go server writes no empty map or list here."""
    for key in ("labels", "annotations", "finalizers", "ownerReferences"):
        if not meta.get(key, True):
            del meta[key]


def prepare_new(obj: Obj, resource: Resource, namespace: str, uid: str, now: str) -> None:
    """Give a new object its identity; forget what only a server may set."""
    meta = obj["metadata"]
    for key in (
        "resourceVersion",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ):
        meta.pop(key, None)
    if resource.namespaced:
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    meta["uid"] = uid
    meta["creationTimestamp"] = now
    drop_empty(meta)
    if resource.strategy.has_generation and resource.strategy.generation_at_birth:
        meta["generation"] = resource.strategy.generation_at_birth


def dedup_owners(obj: Obj, warnings: list[str], *, admitted: bool = False) -> None:
    """An owner that is named twice counts once, and the writer is told. `admitted`: it was admission that named it."""
    owners = obj["metadata"].get("ownerReferences")
    if not owners or len(owners) < 2:
        return
    kept: dict[str, Any] = {}
    twice: dict[str, None] = {}
    for owner in owners:
        uid = str(owner.get("uid", ""))
        if uid in kept:
            twice[uid] = None
        else:
            kept[uid] = owner
    if twice:
        obj["metadata"]["ownerReferences"] = list(kept.values())
        after = " after mutating admission happens" if admitted else ""
        warnings.append(
            f".metadata.ownerReferences contains duplicate entries{after}; API server dedups owner references in 1.20+, and may "
            f"reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {', '.join(twice)}"
        )


_KEPT_ON_UPDATE = ("creationTimestamp", "generation", "selfLink", "generateName")


def keep_identity(meta: dict[str, Any], was: dict[str, Any]) -> None:
    """What no update has a say in, beside what it may not say wrong (uid, name, namespace)."""
    for key in _KEPT_ON_UPDATE:
        if key in was:
            meta[key] = was[key]
        elif key != "generateName":
            meta.pop(key, None)
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):  # what is said must be true
        if meta.get(key) is None:
            meta.pop(key, None)
            if key in was:
                meta[key] = was[key]
    drop_empty(meta)


def carry_over(obj: Obj, old: Obj, resource: Resource, plural: str) -> None:
    """Put the identity of `old` into its successor. Raises Conflict where the uid names another object."""
    meta, was = metadata_of(obj), old["metadata"]
    refuse_other(resource.gvr.group, plural, meta.get("uid") or "", old)
    keep_identity(meta, was)
    if "uid" in was:
        meta["uid"] = was["uid"]
    else:
        meta.pop("uid", None)
    meta["name"] = was["name"]
    if resource.namespaced:
        meta["namespace"] = was.get("namespace", "")
    else:
        meta.pop("namespace", None)


def refuse_other(group: str, plural: str, uid: str, old: Obj) -> None:
    """Raises Conflict where a uid names another object than the one that is there."""
    was = old["metadata"]
    if uid and uid != was.get("uid"):
        raise conflict(
            group,
            plural,
            was["name"],
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {was.get('uid', '')}",
        )


def bump_generation(obj: Obj, old: Obj, resource: Resource) -> None:
    """generation grows with every change outside metadata, and outside of status where that has its own endpoint.
    What of the metadata counts as well is the kind's to say."""
    beside: tuple[str, ...] = ("metadata", "apiVersion", "kind")
    if not resource.custom or "status" in resource.subresources:
        beside += ("status",)
    for key in obj.keys() | old.keys():
        if key not in beside and obj.get(key) != old.get(key):
            break
    else:
        if all(
            obj["metadata"].get(key) == old["metadata"].get(key) for key in resource.strategy.generation_of
        ):
            return
    obj["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1


def validate_metadata(obj: Obj, resource: Resource) -> list[Cause]:
    """Every error in a new object's metadata."""
    errors = Errors()
    validate_object_meta(
        errors, obj["metadata"], namespaced=resource.namespaced, name_rule=resource.strategy.name_rule
    )
    if not resource.custom:
        validate_finalizer_names(errors, obj["metadata"], resource.gvr.group)
    return list(errors.causes)


def validate_metadata_update(obj: Obj, old: Obj, resource: Resource) -> list[Cause]:
    """Every error in what an update does to the metadata."""
    errors = Errors()
    validate_object_meta_update(errors, obj["metadata"], old["metadata"])
    if not resource.custom:
        validate_finalizer_names(errors, obj["metadata"], resource.gvr.group)
    return list(errors.causes)
