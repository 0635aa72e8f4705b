"""What every write shares: admission, and the loop that compares and swaps until it wins.

    change(old) → new object          the verb's own part, run again on every attempt
      → defaults, kept identity, what the endpoint may not change → managed fields
      → mutating admission (then defaults and the rest once more) → what only the server knows → generation
      → validation (all errors at once) → validating admission
      → compare and swap; a lost race starts over with what stands there now

Invariants: nothing is stored before every check has passed; a dry run passes every check and stores nothing;
a write that changes nothing stores nothing and answers with what stands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from api.resource import Obj, Resource, Strategy
from api.validation.errors import judged
from apiserver.admission.admission import AdmissionRequest, Operation
from apiserver.engine import ownership
from apiserver.engine.engine import Call, Engine, Undo, Written
from apiserver.engine.kept_form import complete_parts, differing
from apiserver.engine.metadata import bump_generation, carry_over, dedup_owners, validate_metadata_update
from apiserver.engine.mutated import settle_changed
from apiserver.storage.store import Entry, StaleRevision
from machinery.clock import rfc3339
from machinery.errors import Cause, Conflict, NotFound, conflict, invalid, not_found
from machinery.patch.apply import managed

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class Prepare(Protocol):
    def __call__(self, obj: Obj, old: Obj) -> None: ...


class Validate(Protocol):
    def __call__(self, obj: Obj, old: Obj) -> Sequence[Cause]: ...


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of an object an endpoint may change: the whole but status, only status, ..."""

    prepare: Prepare
    validate: Validate
    generation: bool  # whether a change outside metadata and status counts as a new generation


def main_scope(resource: Resource) -> Scope:
    strategy = resource.strategy
    return Scope(strategy.prepare_update, strategy.validate_update, strategy.has_generation)


def own_scope(resource: Resource, rules: Strategy) -> Scope:
    """A subresource with rules of its own: pods/ephemeralcontainers, namespaces/finalize."""
    return Scope(rules.prepare_update, rules.validate_update, resource.strategy.has_generation)


def status_scope(resource: Resource) -> Scope:
    strategy = resource.strategy
    return Scope(strategy.prepare_status_update, strategy.validate_status_update, False)


@dataclass(frozen=True, slots=True)
class Change:
    """What a verb makes of the current object. `manager_op` "" leaves managed fields as the change set them."""

    obj: Obj
    expect_revision: str = ""  # the resourceVersion the writer saw, "" if it does not care
    manager_op: str = "Update"


Changer = Callable[[Obj, Entry], Change | Awaitable[Change]]


def refuse_missing(call: Call, name: str | None = None) -> NotFound:
    return not_found(call.group, call.plural, name if name is not None else call.name)


def refuse_stale(call: Call, name: str) -> Conflict:
    return conflict(call.group, call.plural, name, MODIFIED)


def refuse_invalid(call: Call, name: str, causes: Sequence[Cause]) -> Exception:
    return invalid(call.group, call.served.resource.kind, name, causes)


def admission_request(
    engine: Engine, call: Call, operation: Operation, obj: Obj | None, old: Obj | None, **options: Any
) -> AdmissionRequest:
    name = call.name or ((obj or old or {}).get("metadata") or {}).get("name", "")
    return AdmissionRequest(
        operation,
        call.served.resource,
        call.subresource,
        call.namespace,
        name,
        obj,
        old,
        call.user,
        dry_run=call.options.dry_run,
        options=options,
        warnings=call.warnings,
        annotations=call.annotations,
    )


async def mutate(engine: Engine, request: AdmissionRequest) -> bool:
    """Run mutating admission; True if the object may have changed in a way that defaults have a say in."""
    ran = await _mutate_once(engine, request)
    if request.reinvoke:
        request.again = True
        await _mutate_once(engine, request)
    return ran


async def _mutate_once(engine: Engine, request: AdmissionRequest) -> bool:
    ran = False
    for plugin in engine.plugins(request).mutating:
        if await plugin.admit(request) is not False:
            ran = True
    return ran


async def judge(engine: Engine, request: AdmissionRequest) -> None:
    for plugin in engine.plugins(request).judging:
        await plugin.validate(request)


async def record(engine: Engine, request: AdmissionRequest) -> None:
    for plugin in engine.plugins(request).recording:
        await plugin.record(request)


async def admit(engine: Engine, request: AdmissionRequest) -> None:
    """Both phases, for what is not stored itself."""
    await mutate(engine, request)
    await judge(engine, request)


def rendered(obj: Obj, revision: int | str) -> bytes:
    """The JSON of an object that is not (or not yet) stored under this revision."""
    if revision:
        obj["metadata"]["resourceVersion"] = str(revision)
    return orjson.dumps(obj)


async def load_current(engine: Engine, call: Call) -> Entry:
    entry = await call.served.store.get(call.namespace, call.name)
    if entry is None:
        raise refuse_missing(call)
    return entry


async def guaranteed_update(
    engine: Engine,
    call: Call,
    change: Changer,
    scope: Scope,
    *,
    entry: Entry | None = None,
    admitted: bool = False,
) -> Written:
    """Apply `change` to the object named by the call. Raises NotFound, Conflict, Invalid, what admission raises.

    `admitted`: what asked for this change (a Binding, an Eviction) went through admission already.
    """
    served, store = call.served, call.served.store
    entry = entry if entry is not None else await load_current(engine, call)
    for _ in range(engine.retries):
        old = served.load(entry)
        made = change(served.load(entry), entry)
        made = made if isinstance(made, Change) else await made
        if made.expect_revision and made.expect_revision != str(entry.revision):
            raise refuse_stale(call, entry.name)
        prepared = await _prepare(engine, call, entry, made, old, scope, admitted)
        if prepared is None:
            return Written(200, entry.data, old)
        obj, undo = prepared
        kept = False
        try:
            if call.options.dry_run:
                return Written(200, rendered(obj, entry.revision), obj)
            if _is_finished(served.resource, obj, old):
                await store.delete(entry.namespace, entry.name, entry.revision)
                await engine.hook(call).after_delete(call, obj)
                return Written(200, rendered(obj, entry.revision), obj)
            stored = await store.update(entry.namespace, entry.name, obj, entry.revision)
            kept = True
            await engine.hook(call).after_write(call, obj, old)
            return Written(200, stored.data, obj)
        except StaleRevision as stale:
            if made.expect_revision:
                raise refuse_stale(call, entry.name) from None
            if stale.current is None:
                raise refuse_missing(call, entry.name) from None
            entry = stale.current
        finally:
            if undo is not None and not kept:
                await undo()
    raise refuse_stale(call, entry.name)


async def _prepare(
    engine: Engine, call: Call, entry: Entry, made: Change, old: Obj, scope: Scope, admitted: bool
) -> tuple[Obj, Undo | None] | None:
    """The object as it would be stored and what gives its reservations back; None if nothing changed."""
    resource = call.served.resource
    strategy = resource.strategy
    obj = made.obj
    size_bytes = max(call.body_bytes, len(entry.data))
    was = dict(old["metadata"])
    revision = was.pop("resourceVersion", "")
    touched: list[str] = []

    def complete() -> None:
        carry_over(obj, old, resource, call.plural)
        dedup_owners(obj, call.warnings)
        obj["metadata"].pop("resourceVersion", None)
        old["metadata"] = was
        strategy.default(obj)
        scope.prepare(obj, old)
        touched.extend(differing(obj, old))
        complete_parts(resource, old, touched)

    def judge_it() -> tuple[list[Cause], Sequence[str]]:
        causes = list(validate_metadata_update(obj, old, resource))
        if resource.custom:
            causes += (
                causes  # told twice, as upstream does: by what all kinds share and by the kind's own rules
            )
        causes += judged(scope.validate, obj, old)
        return causes, () if causes else strategy.warnings(obj, old)

    def settle() -> None:
        parts = differing(obj, old)
        complete_parts(resource, obj, parts)
        complete_parts(resource, old, [part for part in parts if part not in touched])
        if scope.generation:
            bump_generation(obj, old, resource)

    await engine.do(size_bytes, complete)
    undo = None
    try:
        if made.manager_op:
            foreign = managed.NO_FOREIGN
            if ownership.is_foreign(resource, old):
                foreign = await ownership.foreign_changes(engine, resource, obj, old)
            who = (call.options.manager, made.manager_op, call.subresource, engine.clock.now())
            await engine.do(size_bytes, lambda: ownership.track_update(resource, obj, old, *who, foreign))
        request = admission_request(engine, call, "UPDATE", obj, old)
        for each in (obj, old):  # admission is told which state it judges
            each["metadata"]["resourceVersion"] = revision
        asked = dict(obj["metadata"])
        if not admitted and await mutate(engine, request):
            settle_changed(call, obj, old, asked)
            strategy.default(obj)
            scope.prepare(obj, old)
        strategy.stamp(obj, old, rfc3339(engine.clock.now()))
        if not admitted:
            await record(engine, request)
        if not call.subresource:
            undo = await engine.hook(call).before_update(call, obj, old)
        await engine.do(size_bytes, settle)
        if obj == old and not call.served.store.is_stale(entry):
            if undo is not None:
                await undo()
            return None
        causes, advice = await engine.do(size_bytes, judge_it)
        if causes:
            raise refuse_invalid(call, was["name"], causes)
        call.warnings.extend(advice)
        if not admitted:
            await judge(engine, request)
        for each in (obj, old):
            each["metadata"].pop("resourceVersion", None)
    except BaseException:
        if undo is not None:
            await undo()
        raise
    return obj, undo


def holds_on(resource: Resource, obj: Obj) -> bool:
    """Whether finalizers still keep a terminating object (a Namespace has a second list in its spec)."""
    if obj["metadata"].get("finalizers"):
        return True
    spec = obj.get("spec")
    return not resource.custom and isinstance(spec, dict) and bool(spec.get("finalizers"))


def _is_finished(resource: Resource, obj: Obj, old: Obj) -> bool:
    """A terminating object whose last finalizer this write took is removed, not stored."""
    meta = obj["metadata"]
    return (
        bool(meta.get("deletionTimestamp"))
        and not meta.get("deletionGracePeriodSeconds")
        and not holds_on(resource, obj)
        and holds_on(resource, old)
    )
