"""POST on a collection: a new object, with a generated name where it asks for one.

decode → identity → defaults → managed fields → mutating admission → what a creator may not set, what only the server
knows → validation → validating admission → store.
A generated name that is taken is drawn again, a few times; a given one is 409 AlreadyExists.
"""

from __future__ import annotations

from collections.abc import Sequence

from api.resource import Obj
from api.validation.errors import judged
from apiserver.engine import ownership
from apiserver.engine.engine import Call, Engine, Undo, Written
from apiserver.engine.metadata import dedup_owners, metadata_of, prepare_new, validate_metadata
from apiserver.engine.mutated import settle_new
from apiserver.engine.write import admission_request, judge, mutate, record, refuse_invalid, rendered
from apiserver.storage.store import Entry, StaleRevision
from machinery import names
from machinery.clock import rfc3339
from machinery.errors import AlreadyExists, BadRequest, Cause, already_exists, forbidden, qualified
from machinery.objects import deep_copy

_GENERATED_NAME_TRIES = 8


async def create(engine: Engine, call: Call, obj: Obj, *, tracked: bool = False) -> Written:
    """`obj` is decoded and belongs to this call. `tracked`: its managedFields are complete (apply). Answers 201."""
    if not call.served.creatable:
        why = "create not allowed while custom resource definition is terminating"
        name = str(metadata_of(obj).get("name", ""))
        raise forbidden(call.group, call.plural, name, why)
    meta = metadata_of(obj)
    check_namespace(call, obj)
    if call.name and meta.get("name", call.name) != call.name:
        raise BadRequest(
            f"the name of the object ({meta.get('name')}) does not match the name on the URL ({call.name})"
        )
    if meta.get("resourceVersion", "0") not in ("", "0"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    generated = bool(meta.get("generateName")) and not meta.get("name")
    for attempt in range(_GENERATED_NAME_TRIES if generated else 1):
        if generated:
            meta["name"] = names.generate(meta["generateName"], engine.rng)
        draft = obj if not generated else deep_copy(obj)
        try:
            return await _create_named(engine, call, draft, tracked)
        except AlreadyExists as error:
            if not generated:
                raise
            if attempt == _GENERATED_NAME_TRIES - 1:
                raise _no_name_left(call, str(meta["name"])) from error
    raise AssertionError("unreachable")


def _no_name_left(call: Call, name: str) -> AlreadyExists:
    return AlreadyExists(
        f'{qualified(call.group, call.plural)} "{name}" already exists, '
        "the server was not able to generate a unique name for the object",
        group=call.group,
        kind=call.plural,
        name=name,
        retry_after_s=1,
    )


async def _create_named(engine: Engine, call: Call, obj: Obj, tracked: bool) -> Written:
    served, resource, strategy = call.served, call.served.resource, call.served.resource.strategy
    now = engine.clock.now()
    prepare_new(obj, resource, call.namespace, engine.new_uid(), rfc3339(now))

    def complete() -> None:
        dedup_owners(obj, call.warnings)
        strategy.default(obj)
        if not tracked:
            ownership.track_create(resource, obj, call.options.manager, call.subresource, now)

    def prepare(mutated: bool, born: Obj) -> None:
        if mutated:
            settle_new(call, obj, born)
            strategy.default(obj)
        call.warnings.extend(strategy.prepare_create(obj) or ())
        strategy.stamp(obj, None, rfc3339(now))

    def judge_it() -> tuple[list[Cause], Sequence[str]]:
        resource.codec().complete(obj)
        causes = [*validate_metadata(obj, resource), *judged(strategy.validate, obj)]
        return causes, () if causes else strategy.warnings(obj, None)

    undo: Undo | None = None
    kept = False
    try:
        await engine.do(call.body_bytes, complete)
        request = admission_request(engine, call, "CREATE", obj, None)
        born = dict(obj["metadata"])
        mutated = await mutate(engine, request)
        await engine.do(call.body_bytes, lambda: prepare(mutated, born))
        await record(engine, request)
        undo = await engine.hook(call).before_create(call, obj)
        causes, advice = await engine.do(call.body_bytes, judge_it)
        if causes:
            meta = obj["metadata"]
            raise refuse_invalid(call, meta.get("name") or meta.get("generateName", ""), causes)
        call.warnings.extend(advice)
        await judge(engine, request)
        name = obj["metadata"]["name"]
        if call.options.dry_run:
            standing = await served.store.get(call.namespace, name)
            if standing is not None:
                raise _taken(call, name, standing)
            return Written(201, rendered(obj, ""), obj)
        try:
            entry = await served.store.create(call.namespace, name, obj)
        except StaleRevision as stale:
            raise _taken(call, name, stale.current) from None
        kept = True
        await engine.hook(call).after_write(call, obj, None)
        return Written(201, entry.data, obj)
    finally:
        if undo is not None and not kept:
            await undo()


def _taken(call: Call, name: str, standing: Entry | None) -> AlreadyExists:
    leaving = standing is not None and "deletionTimestamp" in call.served.load(standing)["metadata"]
    return already_exists(call.group, call.plural, name, leaving=leaving)


def nameless(call: Call) -> BadRequest:
    """For an object whose path says the name, and it does not."""
    return BadRequest(
        f"the name of the object ({call.name} based on URL) was undeterminable: name must be provided"
    )


def check_namespace(call: Call, obj: Obj) -> None:
    """The body's namespace, where it says one, is the URL's."""
    if not call.served.resource.namespaced:
        return
    said = obj["metadata"].get("namespace")
    if not call.namespace:
        raise BadRequest("an empty namespace may not be set during creation")
    if said and said != call.namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
