"""PATCH: JSON patch, merge patch, strategic merge patch, server-side apply.

The patch is computed against what stands, again on every attempt, so a patch without resourceVersion never loses
a race. Strategic merge needs to know the type's merge keys and is refused for custom resources (415), as clients
expect. Apply creates what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from api.builtin import Body
from api.resource import Obj, Resource
from apiserver.engine import ownership
from apiserver.engine.applied import decode_applied, refuse_untyped
from apiserver.engine.create import check_namespace, create, nameless
from apiserver.engine.decode import Parsed, decode
from apiserver.engine.engine import Call, Engine, Written
from apiserver.engine.metadata import metadata_of
from apiserver.engine.strange_patches import strange_in
from apiserver.engine.update import refuse_unconditional
from apiserver.engine.write import Change, Scope, guaranteed_update, main_scope
from apiserver.storage.store import Entry
from machinery.errors import (
    ApiError,
    BadRequest,
    Cause,
    Invalid,
    NotFound,
    TooLarge,
    UnsupportedMediaType,
    conflict,
    invalid,
)
from machinery.field_errors import OMITTED, invalid_value
from machinery.patch import PatchError, json_patch, merge, strategic


@dataclass(frozen=True, slots=True)
class Patch:
    """`kind` as in http/negotiation.BodyType; `data` is the parsed body, `source` where it came from."""

    kind: str
    data: Any
    source: Parsed | None = None


async def patch(engine: Engine, call: Call, change: Patch, scope: Scope | None) -> Written:
    resource = call.served.resource
    scope = scope or main_scope(resource)
    if change.kind == "apply-patch":
        return await _apply(engine, call, change, scope)
    refuse_strategic(resource, change)

    def changed(old: Obj, entry: Entry) -> Change:
        before = str(entry.revision)
        uid = str(old["metadata"].get("uid", ""))
        raw = apply_to(resource, old, change)
        obj = decode_patched(call, raw, change)
        _refuse_renaming(call, obj, uid)
        said = _said_revision(obj)
        if not said or said == "0":
            refuse_unconditional(call)
        return Change(obj, said if said != before else before if _mentions_revision(change) else "")

    async def changer(old: Obj, entry: Entry) -> Change:
        return await engine.do(max(call.body_bytes, len(entry.data)), lambda: changed(old, entry))

    return await guaranteed_update(engine, call, changer, scope)


def decode_patched(call: Call, raw: Any, change: Patch, body: Body | None = None) -> Obj:
    """Raises Invalid where the patch made something that cannot be read of what was an object. `body` as decode has it."""
    resource = call.served.resource
    shown = OMITTED if change.kind == "strategic-merge-patch" else _text(raw)
    if resource.custom and body is None and isinstance(raw, dict):
        if not raw.get("kind"):
            raise _no_object(shown, f"Object 'Kind' is missing in '{_text(raw)}'")
        said, wanted = str(raw.get("apiVersion") or ""), resource.gvr.api_version
        if said != wanted:
            cause = invalid_value("apiVersion", said, f"must be {wanted}")
            raise invalid(said.rpartition("/")[0], resource.kind, call.name, [cause])
    try:
        return decode(call, raw, None, body, strange_in(change.kind, change.data, change.source))
    except BadRequest as error:
        # What was wrong with the fields stands behind what could not be done because of them.
        kind = resource.kind if body is None else body.kind
        raise _no_object(shown, error.message.rpartition(f"cannot be handled as a {kind}: ")[2]) from error


def _text(raw: Any) -> str:
    return orjson.dumps(raw, option=orjson.OPT_SORT_KEYS).decode()


def _no_object(shown: Any, why: str) -> Invalid:
    return invalid("", "", "", [invalid_value("patch", shown, why)])


def _refuse_renaming(call: Call, obj: Obj, uid: str) -> None:
    """Raises BadRequest, Invalid where the patched object says it is another."""
    meta = metadata_of(obj)
    if not meta.get("name"):
        raise nameless(call)
    if meta["name"] != call.name:
        raise BadRequest(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({call.name})"
        )
    check_namespace(call, obj)
    if meta.get("uid", uid) != uid:
        resource = call.served.resource
        cause = invalid_value("metadata.uid", meta["uid"], "field is immutable")
        # Told twice of custom resources, as `write.py` does.
        raise invalid(call.group, resource.kind, call.name, [cause] * (2 if resource.custom else 1))


def refuse_strategic(resource: Resource, change: Patch) -> None:
    """Raises UnsupportedMediaType where nothing tells merge keys: on custom objects and their scale."""
    if change.kind == "strategic-merge-patch" and resource.custom:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        )


def apply_to(
    resource: Resource | None, old: Obj, change: Patch, schema: Callable[[], Any] | None = None
) -> Any:
    """The patched object, not yet decoded. `old` may be used up. Raises BadRequest, Invalid."""
    try:
        if change.kind == "json-patch":
            return json_patch.apply(old, change.data)
        if not isinstance(change.data, dict):
            raise BadRequest("error decoding patch: it must be an object")
        if change.kind == "merge-patch":
            return merge.apply(old, change.data)
        schema = schema or (resource.schema if resource is not None else None)
        assert schema is not None
        # It works on the type itself: another apiVersion or kind in the patch says nothing, as upstream.
        told = {key: old[key] for key in ("apiVersion", "kind") if key in old}
        return {**strategic.apply(old, change.data, schema()), **told}
    except json_patch.TooManyOperations as error:
        raise TooLarge(f"Request entity too large: {error}") from error
    except json_patch.NotAPatch as error:
        raise BadRequest(str(error)) from error
    except PatchError as error:
        text = f"the server rejected our request due to an error in our request: {error}"
        if change.kind == "json-patch":
            raise Invalid(text) from error
        raise BadRequest(str(error)) from error


def _said_revision(raw: Any) -> str:
    meta = raw.get("metadata") if isinstance(raw, dict) else None
    return str(meta.get("resourceVersion") or "") if isinstance(meta, dict) else ""


def _mentions_revision(change: Patch) -> bool:
    """Whether the patch itself names a resourceVersion, which makes it conditional."""
    if change.kind == "json-patch":
        return isinstance(change.data, list) and any(
            isinstance(op, dict) and str(op.get("path", "")).startswith("/metadata/resourceVersion")
            for op in change.data
        )
    meta = change.data.get("metadata") if isinstance(change.data, dict) else None
    return isinstance(meta, dict) and bool(meta.get("resourceVersion"))


async def _apply(engine: Engine, call: Call, change: Patch, scope: Scope) -> Written:
    """Server-side apply. The applied configuration is decoded first, so that its unknown fields are judged."""
    need_manager(call)
    resource = call.served.resource
    applied = await engine.do(call.body_bytes, lambda: decode_applied(call, change.data, change.source))
    meta = metadata_of(applied)
    if meta.get("name", call.name) != call.name:
        raise BadRequest(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({call.name})"
        )
    if resource.namespaced and meta.get("namespace", call.namespace) != call.namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if meta.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    expect = str(meta.pop("resourceVersion", "") or "")

    async def changer(old: Obj, entry: Entry) -> Change:
        return Change(await apply_config(engine, call, old, applied), expect, manager_op="")

    try:
        return await guaranteed_update(engine, call, changer, scope)
    except NotFound as error:
        if call.subresource or not _is_of(error, call):
            raise
        if meta.get("uid"):
            why = (
                f"uid mismatch: the provided object specified uid {meta['uid']}, "
                "and no existing object was found"
            )
            raise conflict(call.group, call.plural, call.name, why) from error
    if not meta.get("name"):
        raise BadRequest(
            f"the name of the object ({call.name} based on URL) was undeterminable: name must be provided"
        )
    try:
        made = await apply_config(engine, call, None, applied)
        if resource.namespaced:
            made["metadata"]["namespace"] = call.namespace
        return await create(engine, call, made, tracked=True)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    return await guaranteed_update(engine, call, changer, scope)


async def apply_config(engine: Engine, call: Call, live: Obj | None, config: Obj) -> Obj:
    """Raises Conflict; BadRequest for a configuration that does not fit its schema."""
    try:
        return await ownership.apply(engine, call, live, config)
    except PatchError as error:
        raise refuse_untyped(call, config, [str(error)]) from error


def need_manager(call: Call) -> None:
    """Whoever applies says who they are."""
    if not call.options.field_manager:
        cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
        raise invalid("meta.k8s.io", "PatchOptions", "", [cause])


def _is_of(error: NotFound, call: Call) -> bool:
    return error.name == call.name and error.kind == call.plural
