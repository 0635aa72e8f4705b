"""Makes strategic merge patches: the client's side of `apply` and `edit`.

`three_way(original, modified, current)` compares what was applied last, what shall be applied and what
is there: it sets what `modified` says and `current` lacks, removes what `original` had and `modified` no
longer has, and leaves what others added. `two_way(old, new)` is the same with original = current.
"""

from __future__ import annotations

from typing import Any

from machinery.objects import deep_copy
from machinery.patch.json_patch import json_equal
from machinery.patch.strategic import (
    DELETE_FROM,
    PATCH,
    RETAIN_KEYS,
    SET_ORDER,
    Obj,
    child_schema,
)
from machinery.schema import Schema


def two_way(old: Obj, new: Obj, schema: Schema | None) -> Obj:
    """The patch that makes `new` of `old`; {} when they are equal."""
    return three_way(old, new, old, schema)


def three_way(
    original: Obj, modified: Obj, current: Obj, schema: Schema | None, *, retain: bool = False
) -> Obj:
    """The patch for `current`; {} when nothing is to do. `retain`: the node has the strategy retainKeys."""
    out: Obj = {}
    for key in original:
        if key not in modified and current.get(key) is not None:
            out[key] = None
    for key, value in modified.items():
        now = current.get(key)
        child = child_schema(schema, key)
        if value is None:
            if now is not None:
                out[key] = None
        elif now is None:
            out[key] = deep_copy(value)
        elif isinstance(value, dict) and isinstance(now, dict):
            if child is not None and "replace" in child.patch_strategy:
                if not json_equal(value, now):
                    out[key] = {PATCH: "replace", **deep_copy(value)}
                continue
            inner = three_way(
                _as_map(original.get(key)),
                value,
                now,
                child,
                retain=child is not None and "retainKeys" in child.patch_strategy,
            )
            if inner:
                out[key] = inner
        elif (
            isinstance(value, list)
            and isinstance(now, list)
            and child is not None
            and "merge" in child.patch_strategy
        ):
            before = original.get(key)
            _diff_list(out, key, before if isinstance(before, list) else [], value, now, child)
        elif not json_equal(value, now):
            out[key] = deep_copy(value)
    if out and retain:
        out[RETAIN_KEYS] = sorted(key for key, value in modified.items() if value is not None)
    return out


def _as_map(value: Any) -> Obj:
    return value if isinstance(value, dict) else {}


def _diff_list(
    out: Obj, key: str, original: list[Any], modified: list[Any], current: list[Any], schema: Schema
) -> None:
    merge_key = schema.merge_key
    is_map = any(isinstance(item, dict) for item in (*modified, *current))
    if not is_map:
        _diff_primitives(out, key, original, modified, current)
        return
    if not merge_key or not all(
        isinstance(item, dict) and merge_key in item for item in (*modified, *current)
    ):
        if not json_equal(modified, current):
            out[key] = deep_copy(modified)
        return
    present = {item[merge_key]: item for item in current}
    before = {item[merge_key]: item for item in original if isinstance(item, dict) and merge_key in item}
    wanted = {item[merge_key]: item for item in modified}
    retain = "retainKeys" in schema.patch_strategy
    changes: list[Any] = []
    for name, item in wanted.items():
        if name not in present:
            changes.append(deep_copy(item))
            continue
        inner = three_way(before.get(name, {}), item, present[name], schema.items, retain=retain)
        if inner:
            inner[merge_key] = name
            changes.append(inner)
    changes.extend(
        {PATCH: "delete", merge_key: name} for name in before if name not in wanted and name in present
    )
    if changes:
        out[key] = changes
    if changes or not _same_order(list(wanted), list(present)):
        out[SET_ORDER + key] = [{merge_key: name} for name in wanted]


def _diff_primitives(
    out: Obj, key: str, original: list[Any], modified: list[Any], current: list[Any]
) -> None:
    added = [item for item in modified if item not in current]
    removed = [item for item in original if item not in modified and item in current]
    if added:
        out[key] = added
    if removed:
        out[DELETE_FROM + key] = removed
    if added or removed or not _same_order(modified, current):
        out[SET_ORDER + key] = list(modified)


def _same_order(wanted: list[Any], present: list[Any]) -> bool:
    return [item for item in present if item in wanted] == [item for item in wanted if item in present]
