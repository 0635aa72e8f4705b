"""Server-side apply: a manager says what it wants, and owns what it said.

`apply` lays the configuration over the live object, takes away what this manager applied before and no
longer does (unless someone else owns it), and refuses to change what others own, unless forced. In comes
the live object (None: it does not exist yet) and the configuration; out goes the new object with its
managedFields. Nothing that comes in is changed.

Source: KEP 555; structured-merge-diff merge/update.go; apimachinery managedfields/internal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from machinery.clock import rfc3339
from machinery.errors import BadRequest, Cause, Conflict
from machinery.patch.apply import born, comparing, last_applied, managed, merging, sets, typed, unowned
from machinery.patch.apply.comparing import Comparison
from machinery.patch.apply.managed import NO_FOREIGN, Entry
from machinery.patch.apply.sets import FieldSet
from machinery.schema import Schema

Obj = dict[str, Any]
BEFORE_FIRST = "before-first-apply"
MAX_TOLD_CHARS = (
    4 * 1024 * 1024
)  # of owners and paths: below a long key these are far larger than what was applied


def apply(
    live: Obj | None,
    config: Obj,
    *,
    manager: str,
    api_version: str,
    now: float,
    schema: Schema | None,
    force: bool = False,
    subresource: str = "",
) -> Obj:
    """The object after the apply. Raises Conflict (409, one cause a field), PatchError for faulty lists.

    Fields owned in other versions of the kind are compared by name; `versioned.apply` converts instead.
    """
    plan = plan_apply(
        live,
        config,
        manager=manager,
        api_version=api_version,
        now=now,
        schema=schema,
        subresource=subresource,
    )
    last: FieldSet = plan.own["fieldsV1"] if plan.own is not None else {}
    pruned = _prune(plan.merged, plan.applied, last, [entry["fieldsV1"] for entry in plan.others], schema)
    return settle(
        plan,
        pruned,
        manager=manager,
        api_version=api_version,
        now=now,
        schema=schema,
        force=force,
        subresource=subresource,
    )


class ApplyPlan(NamedTuple):
    """What an apply starts from: the configuration laid over the live object, and who owns what."""

    live: Obj
    merged: Obj
    applied: FieldSet
    own: Entry | None
    others: list[Entry]
    config: Obj
    excused: FieldSet  # in which no conflict counts


def plan_apply(
    live: Obj | None,
    config: Obj,
    *,
    manager: str,
    api_version: str,
    now: float,
    schema: Schema | None,
    subresource: str,
) -> ApplyPlan:
    if entries_brought := managed.entries_of(config):
        raise BadRequest(f"metadata.managedFields must be nil, but has {len(entries_brought)} entries")
    entries = managed.in_terms_of(
        _entries_before(live, api_version, subresource, now, schema), api_version, schema
    )
    me = ("Apply", manager, "", subresource)
    own = next((entry for entry in entries if managed.identity(entry) == me), None)
    others = [entry for entry in entries if entry is not own]
    applied = typed.field_set(config, schema)
    base = live if live is not None else {}
    excused = last_applied.excused(base, schema) if manager == last_applied.MANAGER else sets.EMPTY
    return ApplyPlan(base, merging.merge(base, config, schema), applied, own, others, config, excused)


def settle(
    plan: ApplyPlan,
    pruned: Obj,
    *,
    manager: str,
    api_version: str,
    now: float,
    schema: Schema | None,
    force: bool,
    subresource: str,
    foreign: Mapping[str, Comparison | None] = NO_FOREIGN,
) -> Obj:
    """`pruned` with its managedFields: conflicts found, what changed taken from the others. `foreign`: how the object
    changes in the other versions in which fields are owned."""
    here = comparing.compare(unowned.owned_part(plan.live), unowned.owned_part(pruned), schema)
    restated = comparing.restated(plan.live, plan.config, schema)
    if restated:
        here = here._replace(modified=sets.union(here.modified, restated))
    conflicts: list[tuple[Entry, FieldSet]] = []
    kept: list[Entry] = []
    for entry in plan.others:
        change = foreign.get(entry.get("apiVersion", ""), here) if foreign else here
        if change is None:
            continue  # owned in a version that is gone
        held = entry["fieldsV1"]
        touched = sets.union(change.modified, change.added)
        if found := sets.difference(sets.intersection(held, touched), plan.excused):
            conflicts.append((entry, found))
        fields = sets.difference(held, sets.union(touched, change.removed))
        if fields:
            kept.append(entry if fields is held else {**entry, "fieldsV1": fields})
    if conflicts and not force:
        raise conflict_error(conflicts)
    made = merging.without_nulls(pruned, plan.live, schema)
    if fields := unowned.without_unowned(plan.applied):
        entry = managed.make_entry(manager, "Apply", api_version, subresource, rfc3339(now), fields)
        if (pruned == plan.live and not restated) or (made == plan.live and _is_as_before(plan, entry, kept)):
            # The time is that of the last apply that changed anything; who never did has none.
            del entry["time"]
            if plan.own is not None and "time" in plan.own:
                entry["time"] = plan.own["time"]
        kept.append(entry)
    pruned = made
    if manager == last_applied.MANAGER:
        pruned = last_applied.updated(pruned, plan.config)
    out: Obj = {**pruned, "metadata": dict(pruned.get("metadata") or {})}
    managed.store(out, managed.cap_updaters(kept))
    return out


def _is_as_before(plan: ApplyPlan, entry: Entry, kept: list[Entry]) -> bool:
    """Whether nobody owns anything else than before."""
    own = plan.own
    others_stay = len(kept) == len(plan.others) and all(
        one is other for one, other in zip(kept, plan.others, strict=True)
    )
    return others_stay and own is not None and {**own, "time": ""} == {**entry, "time": ""}


def _entries_before(
    live: Obj | None, api_version: str, subresource: str, now: float, schema: Schema | None
) -> list[Entry]:
    """An object nobody tracked gets one entry that holds all it has: its fields may not be lost."""
    if live is None:
        return []
    entries = managed.entries_for_write(live, {}, "")
    if entries:
        return entries
    fields = unowned.without_unowned(born.fields_of_new(unowned.owned_part(live), schema))
    if not fields:
        return []
    return [managed.make_entry(BEFORE_FIRST, "Update", api_version, subresource, rfc3339(now), fields)]


def _prune(
    merged: Obj, applied: FieldSet, last: FieldSet, others: list[FieldSet], schema: Schema | None
) -> Obj:
    """Removes what was applied last time and is not now, save what anybody (also now) owns."""
    if not last or not sets.difference(last, applied):
        return merged
    owned = applied
    for fields in others:
        owned = sets.union(owned, fields)
    owned = typed.with_named_fields(owned, schema)
    named_last = typed.with_named_fields(last, schema)
    present = typed.with_named_fields(fields_present(merged, schema), schema)
    # First everything applied last time goes, then what is owned comes back ...
    without_last = fields_present(merging.remove(merged, named_last, schema), schema)
    surplus = sets.difference(present, sets.union(typed.with_named_fields(without_last, schema), owned))
    pruned = merging.remove(merged, surplus, schema)
    # ... and so does what was never this manager's own.
    left = typed.with_named_fields(fields_present(pruned, schema), schema)
    doomed = sets.intersection(sets.difference(present, left), named_last)
    return merging.remove(merged, doomed, schema)


def fields_present(obj: Obj, schema: Schema | None) -> FieldSet:
    """All fields of a whole object. Unlike a configuration's, its lists may have faults."""
    return typed.field_set(obj, schema, lenient=True)


def conflict_error(conflicts: list[tuple[Entry, FieldSet]]) -> Conflict:
    """Upstream's 409: who owns what, and a cause for every field, as far as MAX_TOLD_CHARS go; all are counted."""
    found: list[tuple[str, str]] = []
    times, left = 0, MAX_TOLD_CHARS
    for entry, fields in sorted(conflicts, key=lambda one: managed.identity_text(one[0])):
        owner = show_manager(entry)
        for steps in sets.paths(fields):
            times += 1
            if left > 0:
                found.append((owner, sets.show(steps)))
                left -= len(owner) + len(found[-1][1])
    if times == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        lines = []
        previous = ""
        for who, path in found:
            if who != previous:
                lines.append(f"conflicts with {who}:")
                previous = who
            lines.append(f"- {path}")
        message = f"Apply failed with {times} conflicts: " + "\n".join(lines)
    return Conflict(
        message,
        causes=[Cause("FieldManagerConflict", f"conflict with {who}", path) for who, path in found],
    )


def show_manager(entry: Entry) -> str:
    out = f'"{entry.get("manager", "")}"'
    if entry.get("subresource"):
        out += f' with subresource "{entry["subresource"]}"'
    if entry.get("operation") == "Update":
        out += f" using {entry.get('apiVersion', '')}"
    return out
