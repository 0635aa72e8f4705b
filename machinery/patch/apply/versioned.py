"""Ownership across versions of a kind: what one manager owns in v1, seen from a write in v2.

A set of fields only means something in the version in which it was written. Where managedFields speak of other versions
than the write's, both states of the object are converted to each of them, and differences are looked for there.

    needs_translation(entries, api_version)     False for nearly every write: then nothing here is called
    await foreign_comparisons(...)              for `managed.update_managed_fields(..., foreign=...)`
    await apply(...)                            as `server_side.apply`

`Translate` may ask a webhook, so this is asynchronous; it gives None for a version that is served no more, and whoever
owned fields only in that version is forgotten.

Source: structured-merge-diff merge/update.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from machinery.patch.apply import comparing, merging, server_side, sets, typed, unowned
from machinery.patch.apply.comparing import Comparison
from machinery.patch.apply.managed import Entry, Obj
from machinery.patch.apply.sets import FieldSet
from machinery.schema import Schema


class Form(NamedTuple):
    """An object in some version, with that version's schema."""

    obj: Obj
    schema: Schema | None


# (object, the version it is in, the version wanted) → the object there, None where that version is gone
Translate = Callable[[Obj, str, str], Awaitable[Form | None]]
Foreign = Mapping[str, Comparison | None]


def needs_translation(entries: Iterable[Entry], api_version: str) -> bool:
    return any(entry.get("apiVersion") != api_version for entry in entries)


async def foreign_comparisons(
    old: Obj, new: Obj, entries: Iterable[Entry], api_version: str, translate: Translate
) -> Foreign:
    """How `old` and `new` differ in every other version that the entries speak of; None where that is gone."""
    out: dict[str, Comparison | None] = {}
    for version in sorted({entry.get("apiVersion", "") for entry in entries} - {api_version}):
        before = await translate(old, api_version, version)
        after = await translate(new, api_version, version)
        out[version] = None
        if before is not None and after is not None:
            out[version] = comparing.compare(
                unowned.owned_part(before.obj), unowned.owned_part(after.obj), after.schema
            )
    return out


async def apply(
    live: Obj,
    config: Obj,
    *,
    manager: str,
    api_version: str,
    now: float,
    schema: Schema | None,
    translate: Translate,
    force: bool = False,
    subresource: str = "",
) -> Obj:
    """The object after the apply. Raises as `server_side.apply`."""
    plan = server_side.plan_apply(
        live,
        config,
        manager=manager,
        api_version=api_version,
        now=now,
        schema=schema,
        subresource=subresource,
    )
    pruned = await _prune(plan, api_version, schema, translate)
    foreign = await foreign_comparisons(live, pruned, plan.others, api_version, translate)
    return server_side.settle(
        plan,
        pruned,
        manager=manager,
        api_version=api_version,
        now=now,
        schema=schema,
        force=force,
        subresource=subresource,
        foreign=foreign,
    )


async def _prune(
    plan: server_side.ApplyPlan, api_version: str, schema: Schema | None, translate: Translate
) -> Obj:
    """Removes what was applied last time and is not now, save what anybody (also now) owns, each in its version."""
    if plan.own is None or not plan.own["fieldsV1"]:
        return plan.merged
    last_version = plan.own.get("apiVersion", api_version)
    last = await translate(plan.merged, api_version, last_version)
    if last is None:
        return plan.merged
    named_last = typed.with_named_fields(plan.own["fieldsV1"], last.schema)
    pruned, at = merging.remove(last.obj, named_last, last.schema), last_version
    for version, owned in _owned_by_version(plan, api_version, last_version):
        merged_there = await translate(plan.merged, api_version, version)
        pruned_there = await translate(pruned, at, version)
        if merged_there is None or pruned_there is None:
            continue
        there = merged_there.schema
        present = typed.with_named_fields(server_side.fields_present(merged_there.obj, there), there)
        left = typed.with_named_fields(server_side.fields_present(pruned_there.obj, there), there)
        surplus = sets.difference(present, sets.union(left, typed.with_named_fields(owned, there)))
        pruned, at = merging.remove(merged_there.obj, surplus, there), version
    pruned_last = await translate(pruned, at, last_version)
    assert pruned_last is not None
    present = typed.with_named_fields(server_side.fields_present(last.obj, last.schema), last.schema)
    left = typed.with_named_fields(server_side.fields_present(pruned_last.obj, last.schema), last.schema)
    doomed = sets.intersection(sets.difference(present, left), named_last)
    out = await translate(merging.remove(last.obj, doomed, last.schema), last_version, api_version)
    return plan.merged if out is None else out.obj


def _owned_by_version(
    plan: server_side.ApplyPlan, api_version: str, first: str
) -> list[tuple[str, FieldSet]]:
    """What anybody owns after this apply, by version; the version of the last apply comes first."""
    owned: dict[str, FieldSet] = {first: {}, api_version: {}}
    owned[api_version] = plan.applied
    for entry in plan.others:
        version = entry.get("apiVersion", api_version)
        owned[version] = sets.union(owned.get(version, {}), entry["fieldsV1"])
    return list(owned.items())
