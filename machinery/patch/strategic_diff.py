"""Making strategic merge patches: what a client does that applies a configuration by itself (`kctl apply`).

    two_way(old, new, schema)                         the patch that makes `new` of `old`; {} when they are equal
    three_way(original, modified, current, schema)    the patch for `current`

`three_way` compares what was applied last, what shall be applied and what is there: it sets what `modified` says and
`current` lacks, removes what `original` had and `modified` no longer has, and leaves what others added. It is two patches
laid over each other: what to set (current → modified, without deletions) and what to remove (original → modified,
deletions alone).

Source: apimachinery pkg/util/strategicpatch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from machinery.objects import deep_copy
from machinery.patch import PatchError
from machinery.patch.element_order import distinct, in_order
from machinery.patch.json_patch import json_equal
from machinery.patch.strategic import DELETE_FROM, PATCH, RETAIN_KEYS, SET_ORDER, Obj, child_schema, combine
from machinery.schema import Schema


class _Wanted(NamedTuple):
    """Which differences a patch is to tell."""

    changes: bool = True
    deletions: bool = True
    retain: bool = False


def two_way(old: Obj, new: Obj, schema: Schema | None) -> Obj:
    return _diff_maps(old, new, schema, _Wanted())


def three_way(original: Obj, modified: Obj, current: Obj, schema: Schema | None) -> Obj:
    changes = _diff_maps(current, modified, schema, _Wanted(deletions=False))
    deletions = _diff_maps(original, modified, schema, _Wanted(changes=False))
    return combine(deletions, changes, schema)


def _diff_maps(old: Obj, new: Obj, schema: Schema | None, wanted: _Wanted) -> Obj:
    out: Obj = {}
    for key, value in new.items():
        if key not in old:
            if wanted.changes:
                out[key] = deep_copy(value)
            continue
        before, child = old[key], child_schema(schema, key)
        strategy = child.patch_strategy if child is not None else frozenset()
        inner = wanted._replace(retain="retainKeys" in strategy)
        if isinstance(value, dict) and isinstance(before, dict):
            if "replace" in strategy:
                if wanted.changes:
                    out[key] = deep_copy(value)
            elif made := _diff_maps(before, value, child, inner):
                out[key] = made
        elif isinstance(value, list) and isinstance(before, list) and "merge" in strategy:
            assert child is not None
            _diff_lists(out, key, before, value, child, inner)
        elif wanted.changes and not json_equal(before, value):
            out[key] = deep_copy(value)
    if wanted.deletions:
        out.update({key: None for key in old if key not in new})
    if wanted.retain:
        kept = sorted(key for key, value in new.items() if value is not None)
        if kept and (out or any(value is not None and key not in new for key, value in old.items())):
            out[RETAIN_KEYS] = kept
    return out


def _diff_lists(out: Obj, key: str, old: list[Any], new: list[Any], schema: Schema, wanted: _Wanted) -> None:
    if not old:
        if new and wanted.changes:
            out[key] = deep_copy(new)
        return
    kinds = {type(item) for item in (*old, *new)}
    if len(kinds) > 1 or list in kinds:
        raise PatchError(f"elements of {key} are not of one sort, or lists")
    if dict not in kinds:
        _diff_scalars(out, key, old, new, wanted)
        return
    name = schema.merge_key
    changes, deletions = _diff_elements(old, new, schema, name, wanted)
    changes = in_order(changes, [item[name] for item in new], lambda item: item.get(name)) + deletions
    if changes:
        out[key] = changes
    same_order = [item[name] for item in old] == [item[name] for item in new]
    told = changes or (wanted.changes and not same_order)
    if new and told:
        out[SET_ORDER + key] = [{name: item[name]} for item in new]


def _diff_elements(
    old: list[Obj], new: list[Obj], schema: Schema, name: str, wanted: _Wanted
) -> tuple[list[Any], list[Any]]:
    """Elements to set, and directives to delete, in the order of their keys' texts."""
    before, after = _sorted(old, name), _sorted(new, name)
    changes: list[Any] = []
    deletions: list[Any] = []
    i = j = 0
    while i < len(before) or j < len(after):
        left = _text(before[i][name]) if i < len(before) else None
        right = _text(after[j][name]) if j < len(after) else None
        if left == right:
            if made := _diff_maps(before[i], after[j], schema.items, wanted):
                changes.append({**made, name: after[j][name]})
            i, j = i + 1, j + 1
        elif left is None or (right is not None and left > right):
            if wanted.changes:
                changes.append(deep_copy(after[j]))
            j += 1
        else:
            if wanted.deletions:
                deletions.append({PATCH: "delete", name: before[i][name]})
            i += 1
    return changes, deletions


def _sorted(items: list[Obj], name: str) -> list[Obj]:
    for item in items:
        if name not in item:
            raise PatchError(f"map: {item} does not contain declared merge key: {name}")
    return sorted(items, key=lambda item: _text(item[name]))


def _text(value: Any) -> str:
    """A scalar as Go prints it."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _diff_scalars(out: Obj, key: str, old: list[Any], new: list[Any], wanted: _Wanted) -> None:
    before, after = sorted(old, key=_text), sorted(new, key=_text)
    added: list[Any] = []
    removed: list[Any] = []
    i = j = 0
    while i < len(before) or j < len(after):
        left = _text(before[i]) if i < len(before) else None
        right = _text(after[j]) if j < len(after) else None
        if left == right:
            i, j = i + 1, j + 1
        elif left is None or (right is not None and left > right):
            added.append(after[j])
            j += 1
        else:
            removed.append(before[i])
            i += 1
    added = in_order(added, list(new), lambda item: item) if wanted.changes else []
    removed = distinct(removed) if wanted.deletions else []
    if added:
        out[key] = added
    if removed:
        out[DELETE_FROM + key] = removed
    # Upstream compares what it has sorted on the way: an order that is not that of the alphabet is always told.
    if new and (removed or (wanted.changes and before != new)):
        out[SET_ORDER + key] = list(new)
