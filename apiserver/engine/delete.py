"""DELETE: now, gracefully, or when the finalizers are through.

    plan_delete(object, options) → Remove | Keep(changed object) | nothing to do

A kind with a grace period (pods) is marked with deletionTimestamp and removed by a second delete with grace 0.
An object with finalizers is marked and removed by the update that takes the last one. Everything else goes at
once. `propagationPolicy` becomes a finalizer for the garbage collector: foregroundDeletion or orphan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import orjson

from api.resource import Obj, Resource
from apiserver.engine.delete_options import DeleteOptions
from apiserver.engine.engine import Call, Engine, Written
from apiserver.engine.write import (
    admission_request,
    admit,
    holds_on,
    load_current,
    refuse_missing,
    refuse_stale,
    rendered,
)
from apiserver.storage.store import Entry, StaleRevision
from machinery.clock import parse_rfc3339, rfc3339
from machinery.errors import conflict, forbidden

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class DeletePlan:
    """`obj` is what is stored (mark) or what was removed (remove)."""

    action: Literal["remove", "mark", "none"]
    obj: Obj


def plan_delete(resource: Resource, obj: Obj, options: DeleteOptions, now: float) -> DeletePlan:
    """`obj` is a fresh copy, and may be changed."""
    meta = obj["metadata"]
    graceful = resource.strategy.default_grace_s is not None
    grace_s = max(resource.strategy.grace_s(obj, options.grace_s), 0) if graceful else 0
    marked = bool(meta.get("deletionTimestamp"))
    if not marked and resource.strategy.mark_deleted(obj, rfc3339(now)):
        return DeletePlan("mark", obj)
    before = list(meta.get("finalizers") or ())
    policy = options.policy or _default_policy(resource, before)
    finalizers = _with_policy(before, policy)
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)

    if not marked:
        if grace_s == 0 and not holds_on(resource, obj):
            return DeletePlan("remove", obj)
        _mark(resource, obj, now, grace_s, graceful)
        return DeletePlan("mark", obj)

    standing_s = int(meta.get("deletionGracePeriodSeconds") or 0)
    if graceful and standing_s:
        # Marked before: the time may only become shorter.
        asked_s = grace_s if options.grace_s is not None else standing_s
        if asked_s == 0 and not holds_on(resource, obj):
            return DeletePlan("remove", obj)
        if asked_s < standing_s:
            started = parse_rfc3339(meta["deletionTimestamp"]) - standing_s
            meta["deletionTimestamp"] = rfc3339(started + asked_s)
            meta["deletionGracePeriodSeconds"] = asked_s
            return DeletePlan("mark", obj)
    elif not holds_on(resource, obj):
        return DeletePlan("remove", obj)
    return DeletePlan("mark" if finalizers != before else "none", obj)


def _default_policy(resource: Resource, finalizers: list[str]) -> str:
    """Where the delete says none: what the object says is enough, else the kind's."""
    said = FOREGROUND in finalizers or ORPHAN in finalizers
    return "Orphan" if resource.strategy.orphans_dependents and not said else ""


def _with_policy(finalizers: list[str], policy: str) -> list[str]:
    if not policy:
        return finalizers
    kept = [each for each in finalizers if each not in (FOREGROUND, ORPHAN)]
    if policy == "Foreground":
        kept.append(FOREGROUND)
    elif policy == "Orphan":
        kept.append(ORPHAN)
    return kept


def _mark(resource: Resource, obj: Obj, now: float, grace_s: int, graceful: bool) -> None:
    meta = obj["metadata"]
    meta["deletionTimestamp"] = rfc3339(now + grace_s)
    meta["deletionGracePeriodSeconds"] = grace_s
    if meta.get("generation"):
        meta["generation"] += 1
    spec = obj.get("spec")
    if not resource.custom and isinstance(spec, dict) and "finalizers" in spec:
        # A Namespace: its own finalizers run, and it says so in its phase. It has no grace period.
        meta.pop("deletionGracePeriodSeconds")
        obj.setdefault("status", {})["phase"] = "Terminating"


async def delete(
    engine: Engine,
    call: Call,
    options: DeleteOptions,
    *,
    entry: Entry | None = None,
    admitted: bool = False,
) -> Written:
    """200 with the marked object, or with a Status when it is gone. Raises NotFound, Conflict."""
    store, served = call.served.store, call.served
    if entry is None and call.name in served.resource.strategy.undeletable:
        raise forbidden(call.group, call.plural, call.name, served.resource.strategy.undeletable[call.name])
    entry = entry if entry is not None else await load_current(engine, call)
    for _ in range(engine.retries):
        obj = served.load(entry)
        check_preconditions(call, obj, entry, options)
        request = admission_request(
            engine,
            call,
            "DELETE",
            None,
            obj,
            gracePeriodSeconds=options.grace_s,
            propagationPolicy=options.policy,
        )
        if not admitted:
            await admit(engine, request)
        advice = served.resource.strategy.orphans_advice
        if advice and not options.policy and advice not in call.warnings:
            call.warnings.append(advice)
        plan = plan_delete(served.resource, served.load(entry), options, engine.clock.now())
        try:
            if plan.action == "none":
                return Written(200, entry.data, obj)
            if plan.action == "mark":
                if options.dry_run:
                    return Written(200, rendered(plan.obj, entry.revision), plan.obj)
                plan.obj["metadata"].pop("resourceVersion", None)
                stored = await store.update(entry.namespace, entry.name, plan.obj, entry.revision)
                await engine.hook(call).after_write(call, plan.obj, obj)
                return Written(200, stored.data, plan.obj)
            if not options.dry_run:
                await store.delete(entry.namespace, entry.name, entry.revision)
                await engine.hook(call).after_delete(call, obj)
            if served.resource.returns_deleted:
                return Written(200, rendered(plan.obj, entry.revision), plan.obj)
            return _gone(call, obj)
        except StaleRevision as stale:
            if stale.current is None:
                raise refuse_missing(call, entry.name) from None
            entry = stale.current
    raise refuse_stale(call, entry.name)


def check_preconditions(call: Call, obj: Obj, entry: Entry, options: DeleteOptions) -> None:
    uid, revision = obj["metadata"].get("uid", ""), str(entry.revision)
    checks = (
        ("UID", options.uid, uid, "The object might have been deleted and then recreated"),
        ("ResourceVersion", options.revision, revision, "The object might have been modified"),
    )
    for what, expected, found, perhaps in checks:
        if not expected or expected == found:
            continue
        if call.served.resource.strategy.precondition_of_store:
            why = f"Precondition failed: {what} in precondition: {expected}, {what} in object meta: {found}"
            raise conflict(call.group, call.plural, entry.name, why)
        why = f"the {what} in the precondition ({expected}) does not match the {what} in record ({found}). {perhaps}"
        raise conflict(call.group, call.served.resource.kind, entry.name, why)


def _gone(call: Call, obj: Obj) -> Written:
    details = {
        "name": obj["metadata"]["name"],
        "group": call.group,
        "kind": call.plural,
        "uid": obj["metadata"].get("uid", ""),
    }
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }
    return Written(200, orjson.dumps(status), status)
