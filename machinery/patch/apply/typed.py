"""Values walked by their schema: which fields one has, where two differ, how one merges into another.

What the schema says of a node decides how it is walked:
* object and map: by key (granular), unless `map_type` is atomic; atomic ones are one field;
* list: by key for `list_type` map, by value for set; any other list is one field;
* `any` (or no schema): maps by key, lists as one field;
* scalars: one field.

`compare` must be fast, since it runs at every write: equal subtrees are skipped by Python's own dict
comparison, and only what differs is walked.

Source: structured-merge-diff typed/{tofieldset,merge,compare,remove}.go.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from machinery.patch import PatchError
from machinery.patch.apply.sets import (
    LEAF,
    FieldSet,
    key_element,
    show,
    value_element,
)
from machinery.schema import Schema

Obj = dict[str, Any]


class Comparison(NamedTuple):
    """Three roots. A container that appears or goes is a member, and so is everything in it."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet


_NO_FIELDS: dict[str, Schema] = {}


def _is_granular(schema: Schema | None) -> bool:
    return schema is None or schema.map_type != "atomic"


def _is_associative(schema: Schema | None) -> bool:
    return schema is not None and schema.list_type in ("map", "set")


def child_of(schema: Schema | None, key: str) -> Schema | None:
    if schema is None:
        return None
    return schema.fields.get(key) or schema.values


def _defaults(schema: Schema) -> dict[str, Any]:
    if schema.items is None:
        return {}
    return {
        key: schema.items.fields[key].default
        for key in schema.list_map_keys
        if key in schema.items.fields and schema.items.fields[key].has_default
    }


def elements(items: list[Any], schema: Schema) -> list[str] | None:
    """The path element of every item; None if one has none (the list is then treated as one field)."""
    out: list[str] = []
    if schema.list_type == "set":
        for item in items:
            if isinstance(item, (dict, list)):
                return None
            out.append(value_element(item))
        return out
    defaults = _defaults(schema) if len(schema.list_map_keys) > 1 else {}
    for item in items:
        element = key_element(item, schema.list_map_keys, defaults)
        if element is None:
            return None
        out.append(element)
    return out


# Which fields a value has


def field_set(value: Obj, schema: Schema | None) -> FieldSet:
    """The fields that a configuration speaks of: leaves, list elements, entries of maps.

    PatchError for lists with duplicate or missing keys.
    """
    return _fields(value, schema, False, ())


def _fields(value: Any, schema: Schema | None, full: bool, path: tuple[str, ...]) -> FieldSet:
    """`full`: containers are members, too, and faulty lists are one field instead of an error."""
    kind = type(value)
    if kind is dict:
        if not value or not _is_granular(schema):
            return LEAF
        out: FieldSet = {".": LEAF} if full else {}
        if schema is None:
            fields, values = _NO_FIELDS, None
        else:
            fields, values = schema.fields, schema.values
        for key, item in value.items():
            inner_kind = type(item)
            if inner_kind is not dict and inner_kind is not list:
                out["f:" + key] = LEAF
                continue
            element = "f:" + key
            declared = fields.get(key)
            node = _fields(item, declared or values, full, path if full else (*path, element))
            if not full:
                if node is _NOTHING:
                    continue
                if declared is None and node and "." not in node:
                    node["."] = LEAF
            out[element] = node
        return out
    if kind is list and schema is not None and schema.list_type in ("map", "set"):
        return _list_fields(value, schema, full, path)
    return LEAF


_NOTHING: FieldSet = {}  # compared by identity: an empty associative list owns nothing


def _list_fields(items: list[Any], schema: Schema, full: bool, path: tuple[str, ...]) -> FieldSet:
    names = elements(items, schema)
    if not items:
        return LEAF if full else _NOTHING
    if names is None:
        if full:
            return LEAF
        raise PatchError(f"{show(path)}: {_missing_key(items, schema)}")
    out: FieldSet = {".": LEAF} if full else {}
    for name, item in zip(names, items, strict=True):
        if name in out:
            if full:
                return LEAF
            raise PatchError(f"{show(path)}: duplicate entries for key {show((name,))}")
        node = _fields(item, schema.items, full, (*path, name))
        out[name] = node if not node or "." in node else {".": LEAF, **node}
    return out


def _missing_key(items: list[Any], schema: Schema) -> str:
    for index, item in enumerate(items):
        if schema.list_type == "set":
            if isinstance(item, (dict, list)):
                return f"element {index}: an element of a set must be a scalar"
        elif not isinstance(item, dict):
            return f"element {index}: associative list with keys may not have non-map elements"
        elif not any(key in item for key in schema.list_map_keys):
            keys = ", ".join(f'"{key}"' for key in schema.list_map_keys)
            return (
                f"element {index}: associative list with keys has an element that omits key field {keys} "
                "(and doesn't have default value)"
            )
    return "associative list with bad elements"


# Where two values differ


def compare(old: Obj, new: Obj, schema: Schema | None) -> Comparison:
    added: FieldSet = {}
    modified: FieldSet = {}
    removed: FieldSet = {}
    _compare_maps(old, new, schema, added, modified, removed)
    return Comparison(added, modified, removed)


def _compare_maps(
    old: Obj, new: Obj, schema: Schema | None, added: FieldSet, modified: FieldSet, removed: FieldSet
) -> None:
    for key, value in new.items():
        before = old.get(key)
        if before is value or before == value:
            continue
        _compare_values("f:" + key, before, value, child_of(schema, key), added, modified, removed)
    for key, before in old.items():
        if key not in new and before is not None:
            removed["f:" + key] = _fields(before, child_of(schema, key), True, ())


def _compare_values(
    element: str,
    before: Any,
    value: Any,
    schema: Schema | None,
    added: FieldSet,
    modified: FieldSet,
    removed: FieldSet,
) -> None:
    """Of two values that differ."""
    if before is None:
        added[element] = _fields(value, schema, True, ())
        return
    if value is None:
        removed[element] = _fields(before, schema, True, ())
        return
    kind = type(value)
    if kind is type(before):
        inner: tuple[FieldSet, FieldSet, FieldSet] = ({}, {}, {})
        if kind is dict and _is_granular(schema):
            _compare_maps(before, value, schema, *inner)
            _attach(element, inner, added, modified, removed)
            return
        if (
            kind is list
            and schema is not None
            and schema.list_type in ("map", "set")
            and _compare_lists(before, value, schema, *inner)
        ):
            _attach(element, inner, added, modified, removed)
            return
    modified[element] = LEAF


def _attach(element: str, inner: tuple[FieldSet, FieldSet, FieldSet], *outer: FieldSet) -> None:
    for node, parent in zip(inner, outer, strict=True):
        if node:
            parent[element] = node


def _compare_lists(
    old: list[Any],
    new: list[Any],
    schema: Schema,
    added: FieldSet,
    modified: FieldSet,
    removed: FieldSet,
) -> bool:
    """False where the elements cannot be told apart: the list then counts as one field."""
    old_names, new_names = elements(old, schema), elements(new, schema)
    if old_names is None or new_names is None:
        return False
    before = dict(zip(old_names, old, strict=True))
    after = dict(zip(new_names, new, strict=True))
    if len(before) != len(old) or len(after) != len(new):
        return False
    for name, item in after.items():
        was = before.get(name)
        if was is not item and (was != item or name not in before):
            if name not in before:
                added[name] = _fields(item, schema.items, True, ())
            else:
                _compare_values(name, was, item, schema.items, added, modified, removed)
    for name, was in before.items():
        if name not in after:
            removed[name] = _fields(was, schema.items, True, ())
    return True


# How a configuration merges into the live object


def merge(live: Any, config: Any, schema: Schema | None) -> Any:
    """`config` laid over `live`. Untouched parts are shared with both."""
    if isinstance(config, dict) and _is_granular(schema):
        out = live.copy() if isinstance(live, dict) else {}
        for key, value in config.items():
            child = child_of(schema, key)
            if value is None and not (child is not None and child.nullable):
                out.pop(key, None)
            else:
                out[key] = merge(out.get(key), value, child)
        return out
    if isinstance(config, list) and schema is not None and _is_associative(schema):
        return _merge_lists(live if isinstance(live, list) else [], config, schema)
    return config


def _merge_lists(live: list[Any], config: list[Any], schema: Schema) -> list[Any]:
    """Elements that both have stand in the configuration's order; the rest keep their place beside them."""
    live_names, config_names = elements(live, schema), elements(config, schema)
    if live_names is None or config_names is None:
        return config
    ours = dict(zip(config_names, config, strict=True))
    theirs: dict[str, Any] = {}
    for name, item in zip(live_names, live, strict=True):
        theirs.setdefault(name, item)
    shared = [name for name in config_names if name in theirs]
    shared_at = 0
    merged: set[str] = set()
    out: list[Any] = []
    i = j = 0
    while i < len(live_names) or j < len(config_names):
        wanted = shared[shared_at] if shared_at < len(shared) else None
        if i < len(live_names):
            name = live_names[i]
            if j < len(config_names) and name == config_names[j]:
                merged.add(name)
                out.append(merge(theirs[name], ours[name], schema.items))
                i, j, shared_at = i + 1, j + 1, shared_at + 1
                continue
            if name not in ours:
                out.append(live[i])
                i += 1
                continue
            if name in merged or (wanted is not None and wanted != name) or j >= len(config_names):
                i += 1  # stands, or will stand, where the configuration has it
                continue
        name = config_names[j]
        merged.add(name)
        out.append(merge(theirs.get(name), ours[name], schema.items))
        if name == wanted:
            shared_at += 1
        j += 1
    return out


# Taking fields away

_GONE = object()


def remove(value: Obj, fields: FieldSet, schema: Schema | None) -> Obj:
    """`value` without the members of `fields`; containers that this empties go as well."""
    out = _remove(value, fields, schema)
    return {} if out is _GONE else out


def _remove(value: Any, fields: FieldSet, schema: Schema | None) -> Any:
    if not fields:
        return value
    if isinstance(value, dict) and _is_granular(schema):
        kept: Obj = {}
        changed = False
        for key, item in value.items():
            node = fields.get("f:" + key)
            if node is None:
                kept[key] = item
                continue
            left = _GONE if not node or "." in node else _remove(item, node, child_of(schema, key))
            changed = changed or left is not item
            if left is not _GONE:
                kept[key] = left
        if not changed:
            return value
        return kept or _GONE
    if isinstance(value, list) and schema is not None and _is_associative(schema):
        names = elements(value, schema)
        if names is None:
            return value
        items: list[Any] = []
        changed = False
        for name, item in zip(names, value, strict=True):
            node = fields.get(name)
            left = item
            if node is not None:
                left = _GONE if not node or "." in node else _remove(item, node, schema.items)
            changed = changed or left is not item
            if left is not _GONE:
                items.append(left)
        if not changed:
            return value
        return items or _GONE
    return value


def with_named_fields(fields: FieldSet, schema: Schema | None) -> FieldSet:
    """The set in which a declared field is a member whenever something below it is."""
    out: FieldSet = {}
    for key, node in fields.items():
        if not node:
            out[key] = node
            continue
        if key.startswith("f:"):
            name = key[2:]
            child = child_of(schema, name)
            inner = with_named_fields(node, child)
            if schema is not None and name in schema.fields and "." not in inner:
                inner["."] = LEAF
            out[key] = inner
        else:
            out[key] = with_named_fields(node, schema.items if schema is not None else None)
    return out
