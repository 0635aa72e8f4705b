"""What mutating admission may not make of an object: another one, one elsewhere, or one whose fields nobody can own.

Runs where a plugin changed the object, before defaults and the kind's rules see what it made. What the server alone writes is put
back; a new object that would lie elsewhere than was asked is refused; what an update may not change, its validation judges.
Source: apiserver registry/rest BeforeCreate and BeforeUpdate, endpoints/handlers/fieldmanager.
"""

from __future__ import annotations

from typing import Any

from api.resource import Obj
from api.strategy import restore
from apiserver.engine.engine import Call
from apiserver.engine.metadata import dedup_owners, drop_empty, keep_identity, metadata_of
from machinery.errors import BadRequest
from machinery.patch.apply import managed

_OF_THE_SERVER = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "selfLink",
)
_BROKEN = (
    ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating "
    "admission controller; please fix your requests: "
)


def settle_new(call: Call, obj: Obj, born: dict[str, Any]) -> None:
    """`born`: its metadata before admission. Raises BadRequest where it got another name than the path's, or namespace."""
    meta = metadata_of(obj)
    for key in _OF_THE_SERVER:
        restore(meta, born, key)
    if call.name and meta.get("name") != call.name:
        raise BadRequest(
            f"the name of the object ({meta.get('name', '')}) does not match the name on the URL ({call.name})"
        )
    if not call.served.resource.namespaced:
        meta.pop("namespace", None)
    elif (meta.get("namespace") or call.namespace) != call.namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    else:
        meta["namespace"] = call.namespace
    drop_empty(meta)
    _settle_owners(call, obj, born)


def settle_changed(call: Call, obj: Obj, old: Obj, asked: dict[str, Any]) -> None:
    """`asked`: its metadata before admission."""
    meta = metadata_of(obj)
    keep_identity(meta, old["metadata"])
    restore(meta, asked, "resourceVersion")
    if not call.served.resource.namespaced:
        meta.pop("namespace", None)
    for key in ("uid", "name", "namespace"):
        if not meta.get(key):
            restore(meta, old["metadata"], key)
    _settle_owners(call, obj, asked)


def _settle_owners(call: Call, obj: Obj, before: dict[str, Any]) -> None:
    """Owners of the object once each, and owners of its fields as they were where admission broke them."""
    dedup_owners(obj, call.warnings, admitted=True)
    entries = obj["metadata"].get("managedFields")
    if entries and entries != before.get("managedFields"):
        why = managed.objection(entries)
        if why:
            restore(obj["metadata"], before, "managedFields")
            call.warnings.append(_BROKEN + why)
