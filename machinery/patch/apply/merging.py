"""Laying a configuration over an object, and taking fields out of one, in the light of the schema.

    merge(live, config, schema)    `config` laid over `live`
    remove(value, fields, schema)  `value` without the members of `fields`
    without_nulls(value, ...)      what both leave behind where everything in a container went

What goes out shares untouched parts with what came in. A container that is emptied by `remove` is null afterwards, as
upstream's is: whoever compares sees it still standing there. `without_nulls` is for the end.

Source: structured-merge-diff typed/{merge,remove}.go.
"""

from __future__ import annotations

from typing import Any

from machinery.patch.apply.sets import FieldSet
from machinery.patch.apply.typed import child_of, elements, form_of
from machinery.schema import Schema

Obj = dict[str, Any]


def merge(live: Any, config: Any, schema: Schema | None) -> Any:
    """`config` laid over `live`. Untouched parts are shared with both."""
    form = form_of(config, schema)
    if form == "map":
        if config is None:
            return live if live and isinstance(live, dict) else None  # null takes no granular map away
        if not isinstance(config, dict):
            return config
        out = live.copy() if isinstance(live, dict) else {}
        for key, value in config.items():
            out[key] = merge(out.get(key), value, child_of(schema, key))
        return out
    if form == "list":
        assert schema is not None
        if config is None:
            return live if live and isinstance(live, list) else None
        if isinstance(config, list):
            held = live if isinstance(live, list) else []
            return _merge_lists(held, config, schema) if held or config else config
    return config


def _merge_lists(live: list[Any], config: list[Any], schema: Schema) -> list[Any]:
    """Elements that both have stand in the configuration's order; the rest keep their place beside them."""
    live_names, config_names = elements(live, schema), elements(config, schema)
    if live_names is None or config_names is None:
        return config
    ours = dict(zip(config_names, config, strict=True))
    theirs: dict[str, Any] = {}
    for name, item in zip(live_names, live, strict=True):
        theirs[name] = None if name in theirs else item  # what stands twice is not merged with, but replaced
    shared = [name for name in config_names if name in theirs]
    shared.reverse()
    merged: set[str] = set()
    out: list[Any] = []
    i = j = 0

    def take() -> None:
        nonlocal j
        name = config_names[j]
        merged.add(name)
        out.append(merge(theirs.get(name), ours[name], schema.items))
        if shared and shared[-1] == name:
            shared.pop()
        j += 1

    while i < len(live_names) or j < len(config_names):
        if i < len(live_names):
            name = live_names[i]
            if j < len(config_names):
                if name == config_names[j]:
                    take()
                    i += 1
                    continue
                if name in ours and shared and shared[-1] != name:
                    i += 1  # will stand where the configuration has it
                    continue
            if name not in ours:
                out.append(live[i])
                i += 1
                continue
            if name in merged:
                i += 1
        if j < len(config_names):
            take()
    return out


def remove(value: Obj, fields: FieldSet, schema: Schema | None) -> Obj:
    """`value` without the members of `fields`; a container that this empties is null, the whole an empty map."""
    out = _remove(value, fields, schema)
    return {} if out is None else out


def _remove(value: Any, fields: FieldSet, schema: Schema | None) -> Any:
    if not fields:
        return value
    form = form_of(value, schema)
    if form == "map" and isinstance(value, dict):
        kept: Obj = {}
        changed = False
        for key, item in value.items():
            node = fields.get("f:" + key)
            if node is None:
                kept[key] = item
            elif node and "." not in node:
                kept[key] = left = _remove(item, node, child_of(schema, key))
                changed = changed or left is not item
            else:
                changed = True
        return (kept or None) if changed else value
    if form == "list" and isinstance(value, list):
        assert schema is not None
        names = elements(value, schema)
        if names is None:
            return value
        items: list[Any] = []
        changed = False
        for name, item in zip(names, value, strict=True):
            node = fields.get(name)
            if node is None:
                items.append(item)
            elif node and "." not in node:
                left = _remove(item, node, schema.items)
                items.append(left)
                changed = changed or left is not item
            else:
                changed = True
        return (items or None) if changed else value
    # An atomic container of which only a part is to go: upstream's goes whole, a scalar stays.
    return None if isinstance(value, (dict, list)) and value else value


def without_nulls(value: Any, live: Any, schema: Schema | None) -> Any:
    """`value` without the nulls that merging and removing left: those that neither `live` has nor the schema allows."""
    if value is live:
        return value
    if isinstance(value, dict):
        was = live if isinstance(live, dict) else {}
        out: Obj = {}
        for key, item in value.items():
            child = child_of(schema, key)
            if item is None:
                if (key in was and was[key] is None) or (child is not None and child.nullable):
                    out[key] = None
            else:
                out[key] = without_nulls(item, was.get(key), child)
        return out
    if isinstance(value, list) and schema is not None and schema.list_type in ("map", "set"):
        return [{} if item is None else without_nulls(item, None, schema.items) for item in value]
    return value
