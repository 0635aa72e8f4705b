"""Who manages which field: metadata.managedFields, kept at every write that is no apply.

An entry is one manager's doing through one operation (and API version and subresource). A write makes
its manager the owner of every field that it changed, takes those fields from the others, and drops what
is gone from everyone. An object that has never been tracked stays untracked until somebody applies.

`update_managed_fields` runs at every create, update and patch and is made to cost tens of microseconds.

Source: apimachinery pkg/util/managedfields/internal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from machinery.clock import rfc3339
from machinery.patch.apply import born, comparing, sets
from machinery.patch.apply.comparing import Comparison
from machinery.patch.apply.reconciling import reconcile
from machinery.patch.apply.sets import FieldSet
from machinery.patch.apply.unowned import owned_part, without_unowned
from machinery.schema import Schema

Obj = dict[str, Any]
Entry = dict[str, Any]

MAX_UPDATE_MANAGERS = 10
NO_FOREIGN: Mapping[str, Comparison | None] = {}
ANCIENT = "ancient-changes"


def identity(entry: Entry) -> tuple[str, str, str, str]:
    """Who an entry speaks of. One manager's applies are the same at every version."""
    operation = entry.get("operation", "")
    version = "" if operation == "Apply" else entry.get("apiVersion", "")
    return operation, entry.get("manager", ""), version, entry.get("subresource", "")


def identity_text(entry: Entry) -> bytes:
    """Upstream's name for whom an entry speaks of, by which it puts them in order."""
    operation, manager, version, subresource = identity(entry)
    parts = {"manager": manager, "operation": operation, "apiVersion": version, "subresource": subresource}
    return orjson.dumps({key: value for key, value in parts.items() if value})


def entries_of(obj: Obj | None) -> list[Entry]:
    if obj is None:
        return []
    return (obj.get("metadata") or {}).get("managedFields") or []


def _are_valid(entries: list[Entry]) -> bool:
    return all(
        isinstance(entry, dict)
        and entry.get("operation") in ("Apply", "Update")
        and entry.get("apiVersion")
        and isinstance(entry.get("fieldsV1"), dict)
        and entry.get("fieldsType") == "FieldsV1"
        for entry in entries
    )


def objection(entries: list[Entry]) -> str:
    """Why these are no entries, "" where they are."""
    for index, entry in enumerate(entries):
        if not _are_valid([entry]):
            return f"entry {index} does not say its operation, its apiVersion and fields of type FieldsV1"
        if not sets.is_well_formed(entry["fieldsV1"]):
            return f"entry {index} names fields in no form of FieldsV1"
    return ""


def entries_for_write(live: Obj | None, new: Obj, subresource: str) -> list[Entry]:
    """The entries to start from: the request's, if it may and does bring valid ones; else the live object's.

    A request resets all ownership with the one empty entry `[{}]`.
    """
    held = entries_of(live)
    if not subresource or live is None:
        brought = entries_of(new)
        if len(brought) == 1 and brought[0] == {}:
            return []
        if (
            brought
            and _are_valid(brought)
            and (brought == held or all(sets.is_well_formed(entry["fieldsV1"]) for entry in brought))
        ):
            return brought
    return held if _are_valid(held) else []


def in_terms_of(entries: list[Entry], api_version: str, schema: Schema | None) -> list[Entry]:
    """The entries after the schema of their version may have changed: custom resources' do."""
    if schema is None or schema.name.startswith("io.k8s."):
        return entries
    out = []
    for entry in entries:
        if entry["apiVersion"] == api_version:
            fields = reconcile(entry["fieldsV1"], schema)
            if fields is not entry["fieldsV1"]:
                entry = {**entry, "fieldsV1": fields}
        out.append(entry)
    return out


def _order(entry: Entry) -> tuple[str, str, str, str, str]:
    return (
        entry.get("operation", ""),
        entry.get("time") or "",
        entry.get("manager", ""),
        entry.get("apiVersion", ""),
        entry.get("subresource", ""),
    )


def make_entry(
    manager: str, operation: str, api_version: str, subresource: str, time: str, fields: FieldSet
) -> Entry:
    entry: Entry = {
        "manager": manager,
        "operation": operation,
        "apiVersion": api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    if subresource:
        entry["subresource"] = subresource
    return entry


def store(obj: Obj, entries: list[Entry]) -> None:
    """Writes entries, in upstream's order, into the object (whose metadata is changed)."""
    meta = obj.setdefault("metadata", {})
    if entries:
        meta["managedFields"] = entries if len(entries) == 1 else sorted(entries, key=_order)
    else:
        meta.pop("managedFields", None)


def update_managed_fields(
    live: Obj | None,
    new: Obj,
    *,
    manager: str,
    api_version: str,
    now: float,
    schema: Schema | None,
    operation: str = "Update",
    subresource: str = "",
    foreign: Mapping[str, Comparison | None] = NO_FOREIGN,
) -> None:
    """Writes metadata.managedFields of `new`, which is about to replace `live` (None: a create).

    Only `new["metadata"]` is changed. `now` is epoch seconds. `foreign`: how the object changes in other versions in
    which fields are owned (`versioned.py`); without it they are compared by name.
    """
    entries = entries_for_write(live, new, subresource)
    if not entries:
        fields = born.fields_of_new(owned_part(new), schema) if live is None else sets.EMPTY
        who = (manager or "unknown", operation, "" if operation == "Apply" else api_version, subresource)
        store(new, [make_entry(*who, rfc3339(now), fields)] if fields else [])
        return
    entries = in_terms_of(entries, api_version, schema)
    if live is None:
        added, modified, removed = born.fields_of_new(owned_part(new), schema), sets.EMPTY, sets.EMPTY
    else:
        added, modified, removed = comparing.compare(owned_part(live), owned_part(new), schema)
    touched = without_unowned(sets.union(modified, added))
    if not touched and not removed:
        store(new, entries)
        return
    lost = sets.union(touched, removed)
    me = (operation, manager or "unknown", "" if operation == "Apply" else api_version, subresource)
    out: list[Entry] = []
    mine = False
    for entry in entries:
        held: FieldSet = entry["fieldsV1"]
        if identity(entry) == me:
            fields = sets.union(sets.difference(held, removed), touched)
            if touched:
                mine = True
                entry = {**entry, "time": rfc3339(now)}
        elif foreign and (version := entry.get("apiVersion", "")) in foreign:
            change = foreign[version]
            fields = (
                {}
                if change is None
                else sets.difference(
                    held, sets.union(sets.union(change.modified, change.added), change.removed)
                )
            )
        else:
            fields = sets.difference(held, lost)
        if fields:
            out.append(entry if fields is held else {**entry, "fieldsV1": fields})
    if touched and not mine:
        out.append(make_entry(me[1], operation, api_version, subresource, rfc3339(now), touched))
    store(new, cap_updaters(out))


def cap_updaters(entries: list[Entry]) -> list[Entry]:
    """At most MAX_UPDATE_MANAGERS entries of operation Update: the oldest are merged into one."""
    updaters = sorted((entry for entry in entries if entry.get("operation") == "Update"), key=_order)
    surplus = len(updaters) - MAX_UPDATE_MANAGERS
    if surplus <= 0:
        return entries
    oldest = updaters[: surplus + 1]
    fields: FieldSet = {}
    for entry in oldest:
        fields = sets.union(fields, entry["fieldsV1"])
    newest = oldest[-1]
    bucket = make_entry(ANCIENT, "Update", newest["apiVersion"], "", newest.get("time") or "", fields)
    return [bucket, *(entry for entry in entries if not any(entry is old for old in oldest))]
