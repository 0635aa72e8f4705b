"""Server-side apply: a manager says what it wants, and owns what it said.

`apply` lays the configuration over the live object, takes away what this manager applied before and no
longer does (unless someone else owns it), and refuses to change what others own, unless forced. In comes
the live object (None: it does not exist yet) and the configuration; out goes the new object with its
managedFields. Nothing that comes in is changed.

Source: KEP 555; structured-merge-diff merge/update.go; apimachinery managedfields/internal.
"""

from __future__ import annotations

from typing import Any

from machinery.clock import rfc3339
from machinery.errors import BadRequest, Cause, Conflict
from machinery.patch.apply import managed, sets, typed
from machinery.patch.apply.managed import Entry
from machinery.patch.apply.sets import FieldSet
from machinery.schema import Schema

Obj = dict[str, Any]
BEFORE_FIRST = "before-first-apply"


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
    """The object after the apply. Raises Conflict (409, one cause a field), PatchError for faulty lists."""
    if entries_brought := managed.entries_of(config):
        raise BadRequest(f"metadata.managedFields must be nil, but has {len(entries_brought)} entries")
    entries = _entries_before(live, api_version, schema)
    me = ("Apply", manager, "", subresource)
    own = next((entry for entry in entries if managed.identity(entry) == me), None)
    others = [entry for entry in entries if entry is not own]
    last: FieldSet = own["fieldsV1"] if own is not None else {}
    applied = typed.field_set(managed.owned_part(config), schema)
    base = live if live is not None else {}

    merged = typed.merge(base, config, schema)
    pruned = _prune(merged, applied, last, [entry["fieldsV1"] for entry in others], schema)
    change = typed.compare(managed.owned_part(base), managed.owned_part(pruned), schema)
    touched = sets.union(change.modified, change.added)
    conflicts = [
        (entry, found) for entry in others if (found := sets.intersection(entry["fieldsV1"], touched))
    ]
    if conflicts and not force:
        raise conflict_error(conflicts)

    lost = sets.union(touched, change.removed)
    kept: list[Entry] = []
    for entry in others:
        held = entry["fieldsV1"]
        fields = sets.difference(held, lost)
        if fields:
            kept.append(entry if fields is held else {**entry, "fieldsV1": fields})
    if applied:
        moved = own is None or touched or change.removed
        time = rfc3339(now) if moved or own is None else own.get("time", rfc3339(now))
        kept.append(managed.make_entry(manager, "Apply", api_version, subresource, time, applied))
    out: Obj = {**pruned, "metadata": dict(pruned.get("metadata") or {})}
    managed.store(out, managed.cap_updaters(kept))
    return out


def _entries_before(live: Obj | None, api_version: str, schema: Schema | None) -> list[Entry]:
    """An object nobody tracked gets one entry that holds all it has: its fields may not be lost."""
    if live is None:
        return []
    entries = managed.entries_for_write(live, {}, "")
    if entries:
        return entries
    fields = managed.without_births(typed.compare({}, managed.owned_part(live), schema).added, schema)
    if not fields:
        return []
    entry = managed.make_entry(BEFORE_FIRST, "Update", api_version, "", "", fields)
    del entry["time"]
    return [entry]


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
    present = typed.with_named_fields(_present(merged, schema), schema)
    # First everything applied last time goes, then what is owned comes back ...
    without_last = _present(typed.remove(merged, named_last, schema), schema)
    surplus = sets.difference(present, sets.union(typed.with_named_fields(without_last, schema), owned))
    pruned = typed.remove(merged, surplus, schema)
    # ... and so does what was never this manager's own.
    left = typed.with_named_fields(_present(pruned, schema), schema)
    doomed = sets.intersection(sets.difference(present, left), named_last)
    return typed.remove(merged, doomed, schema)


def _present(obj: Obj, schema: Schema | None) -> FieldSet:
    """All fields of a whole object. Unlike a configuration's, its lists may have faults."""
    return typed.compare({}, obj, schema).added


def conflict_error(conflicts: list[tuple[Entry, FieldSet]]) -> Conflict:
    """Upstream's 409: who owns what, and a cause for every field."""
    found: list[tuple[str, str]] = []
    for entry, fields in conflicts:
        found.extend((show_manager(entry), sets.show(path)) for path in sets.paths(fields))
    found.sort(key=lambda pair: pair[0])
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        lines = []
        previous = ""
        for who, path in found:
            if who != previous:
                lines.append(f"conflicts with {who}:")
                previous = who
            lines.append(f"- {path}")
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
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
        if entry.get("time"):
            out += f" at {entry['time']}"
    return out
