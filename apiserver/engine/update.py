"""PUT: replace an object, or with some kinds create it."""

from __future__ import annotations

from collections.abc import Callable

from api.resource import Obj
from apiserver.engine.create import check_namespace, create, nameless
from apiserver.engine.engine import Call, Engine, Written
from apiserver.engine.metadata import metadata_of
from apiserver.engine.write import Change, Scope, guaranteed_update, main_scope
from apiserver.storage.store import Entry
from machinery import field_errors
from machinery.errors import BadRequest, NotFound, invalid
from machinery.objects import deep_copy


async def update(engine: Engine, call: Call, obj: Obj, scope: Scope | None = None) -> Written:
    """`obj` is decoded. Without resourceVersion the last writer wins, where the kind allows that."""
    resource = call.served.resource
    meta = metadata_of(obj)
    if meta.get("name", "") != call.name:
        if not meta.get("name"):
            raise nameless(call)
        raise BadRequest(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({call.name})"
        )
    check_namespace(call, obj)
    expect = str(meta.get("resourceVersion") or "")
    if expect == "0":  # as if it had said none
        expect = ""
    change = _replace_by(call, obj, expect)
    try:
        return await guaranteed_update(engine, call, change, scope or main_scope(resource))
    except NotFound:
        if call.subresource or not resource.strategy.allow_create_on_update or expect:
            raise
        meta.pop("resourceVersion", None)
        return await create(engine, call, obj)


def _replace_by(call: Call, obj: Obj, expect: str) -> Callable[[Obj, Entry], Change]:
    def change(old: Obj, entry: Entry) -> Change:
        if not expect:
            refuse_unconditional(call)
        # An unconditional write may be tried again after a lost race, and then needs the object as it was sent.
        return Change(obj if expect else deep_copy(obj), expect)

    return change


def refuse_unconditional(call: Call) -> None:
    """Raises Invalid where the kind's objects are only replaced by who has seen them."""
    if not call.served.resource.strategy.allow_unconditional_update:
        cause = field_errors.invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(call.group, call.plural, call.name, [cause])
