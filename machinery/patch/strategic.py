"""Strategic merge patch: a merge patch that knows a kind's schema, so that lists merge by key.

`Schema.patch_strategy` and `Schema.merge_key` of a list say how it merges; a list without the strategy
`merge` is replaced. Directives inside a patch:
* `$patch: replace | delete` in an object or in an element of a list;
* `$retainKeys: [...]`: of the object's members only these stay;
* `$deleteFromPrimitiveList/NAME: [...]`: values to take out of the list NAME;
* `$setElementOrder/NAME: [...]`: the order of NAME's elements; those it does not speak of keep their place
  relative to the rest as well as they can.

`apply` lays a patch over an object. `combine` lays a patch over a patch (`strategic_diff.py`): directives and nulls stay.

Source: apimachinery pkg/util/strategicpatch (semantics), sig-api-machinery/strategic-merge-patch.md.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from machinery.patch import PatchError
from machinery.patch.element_order import arrange, distinct, name_key
from machinery.schema import Schema

Obj = dict[str, Any]
PATCH = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList/"
SET_ORDER = "$setElementOrder/"
_GONE: Any = object()


def apply(target: Obj, patch: Any, schema: Schema | None) -> Obj:
    """The target after the patch. Untouched parts are shared with `target`: treat both as frozen."""
    if not isinstance(patch, dict):
        raise PatchError("a strategic merge patch must be a JSON object")
    return _merge_map(target, patch, schema, False)


def combine(patch: Obj, other: Obj, schema: Schema | None) -> Obj:
    """`other` laid over `patch`: a patch that does what both do."""
    return _merge_map(patch, other, schema, True)


def child_schema(schema: Schema | None, key: str) -> Schema | None:
    if schema is None:
        return None
    found = schema.fields.get(key)
    return found if found is not None else schema.values


def _merge_map(original: Obj, patch: Obj, schema: Schema | None, combining: bool) -> Obj:
    if PATCH in patch:
        directive = patch[PATCH]
        if directive == "replace":
            return {key: value for key, value in patch.items() if key != PATCH}
        if directive == "delete":
            return {}
        raise PatchError(f"unknown patch type: {directive} in map: {patch}")
    out = dict(original)
    rest = dict(patch)
    if RETAIN_KEYS in rest:
        _retain_keys(out, rest, combining)
    for key in [key for key in rest if key.startswith(SET_ORDER.rstrip("/"))]:
        _merge_ordered(out, rest, key, schema, combining)
    for key, value in rest.items():
        if key.startswith(DELETE_FROM.rstrip("/")):
            if combining:
                out[key] = value
            else:
                _delete_from(out, _field_of(key, DELETE_FROM), value, schema)
            continue
        if value is None:
            out.pop(key, None)
            if combining:
                out[key] = None
            continue
        _merge_member(out, key, value, child_schema(schema, key), combining)
    return out


def _merge_member(out: Obj, key: str, value: Any, child: Schema | None, combining: bool) -> None:
    """Of a value that is not null."""
    before = out.get(key, _GONE)
    strategy = child.patch_strategy if child is not None else frozenset()
    if isinstance(value, dict) and isinstance(before, dict):
        out[key] = value if "replace" in strategy else _merge_map(before, value, child, combining)
    elif isinstance(value, list) and isinstance(before, list):
        out[key] = _merge_list(before, value, child, combining) if "merge" in strategy else value
    else:
        made = without_directives(value if combining else _without_nulls(value))
        if made is _GONE:
            out.pop(key, None)
        else:
            out[key] = made


def _retain_keys(out: Obj, patch: Obj, combining: bool) -> None:
    keys = patch.pop(RETAIN_KEYS)
    if combining:
        if out.setdefault(RETAIN_KEYS, keys) != keys:
            raise PatchError(f"{out[RETAIN_KEYS]} and {keys} are not deep equal")
        return
    if not isinstance(keys, list):
        raise PatchError(f"invalid patch format of {RETAIN_KEYS}: not a list")
    named = {key for key in keys if isinstance(key, str)}
    for key, value in patch.items():
        is_told = value is None or key.startswith((DELETE_FROM.rstrip("/"), SET_ORDER.rstrip("/")))
        if not is_told and key not in named:
            raise PatchError(f"invalid patch format of {RETAIN_KEYS}: {key} is not retained")
    for key in list(out):
        if key not in named:
            del out[key]


def _field_of(key: str, prefix: str) -> str:
    if not key.startswith(prefix):
        raise PatchError(f"invalid patch format of {prefix.rstrip('/')}: {key}")
    return key[len(prefix) :]


def _merge_ordered(out: Obj, patch: Obj, key: str, schema: Schema | None, combining: bool) -> None:
    """Merges the list that a `$setElementOrder` speaks of, and takes both out of the patch."""
    order = patch.pop(key)
    if not isinstance(order, list):
        raise PatchError(f"{key} must be a list")
    if combining and out.setdefault(key, order) != order:
        raise PatchError(f"invalid patch format of {SET_ORDER.rstrip('/')}")
    name = _field_of(key, SET_ORDER)
    before, value = out.get(name, _GONE), patch.pop(name, _GONE)
    if not all(item is _GONE or isinstance(item, list) for item in (before, value)):
        raise PatchError(f"{name} is no list, as {key} is")
    child = child_schema(schema, name)
    strategy = child.patch_strategy if child is not None else frozenset()
    merge_key = child.merge_key if child is not None else ""
    _check_order([] if value is _GONE else value, order, merge_key)
    if value is _GONE:
        if before is _GONE:
            return
        merged = before
    elif before is _GONE:
        merged = without_directives(value)
    else:
        merged = _merge_list(before, value, child, combining) if "merge" in strategy else value
    is_map = _holds_maps([] if before is _GONE else before, [] if value is _GONE else value)
    if is_map:
        _need_keys(merge_key, merged, order, [] if before is _GONE else before)
    server = [] if before is _GONE else before
    if server and merge_key and value is not _GONE and "merge" in strategy:
        server = _left_behind(server, value, merge_key)
    out[name] = _arrange(merged, order, server, merge_key)


def _delete_from(out: Obj, key: str, values: Any, schema: Schema | None) -> None:
    present = out.get(key, _GONE)
    if values is None:
        out.pop(key, None)
        return
    if present is _GONE or not isinstance(values, list) or not isinstance(present, list):
        return
    if not present and not values:
        return
    if _holds_maps(present, values):
        raise PatchError(f"cannot merge lists without merge key for {key}")
    gone = set(values)  # scalars, all of one sort
    out[key] = [item for item in present if item not in gone]


def without_directives(value: Any) -> Any:
    """A patch's value where the object had none; _GONE for what is a directive itself."""
    if isinstance(value, dict):
        if PATCH in value:
            return _GONE
        made = {key: without_directives(item) for key, item in value.items()}
        return {key: item for key, item in made.items() if item is not _GONE}
    if isinstance(value, list):
        return [made for item in value if (made := without_directives(item)) is not _GONE]
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _holds_maps(*lists: list[Any]) -> bool:
    """Whether the elements are maps. PatchError where there are none, or some of this sort and some of that."""
    sorts = {type(item) for items in lists for item in items}
    if not sorts:
        raise PatchError("no elements in any of the given slices")
    if len(sorts) > 1 or list in sorts:
        raise PatchError("list element types are not identical, or lists")
    return dict in sorts


def _merge_list(original: list[Any], patch: list[Any], schema: Schema | None, combining: bool) -> list[Any]:
    """Of a list with the strategy merge."""
    if not original and not patch:
        return original
    assert schema is not None
    key = schema.merge_key
    if not _holds_maps(original, patch):
        return _arrange(distinct([*original, *patch]), patch, original, "")
    if not key:
        raise PatchError(f"cannot merge lists without merge key for {schema.name or 'a list'}")
    original, patch = _directed(original, patch, key)
    merged = list(original)
    standing: dict[Hashable, int] = {}
    for at, old in enumerate(merged):
        if key in old:
            standing.setdefault(name_key(old[key]), at)
    for item in patch:
        at = standing.setdefault(name_key(_key_of(item, key)), len(merged))
        if at == len(merged):
            merged.append(item)
        else:
            merged[at] = _merge_map(merged[at], item, schema.items, combining)
    _need_keys(key, merged, patch, original)
    return _arrange(merged, patch, original, key)


def _left_behind(original: list[Any], patch: list[Any], key: str) -> list[Any]:
    """The object's list as upstream holds it after it merged the patch into it, in place: what is deleted closes up, what
    is new takes the places that this frees at the end. It is by this list that the rest is put in order."""
    deletions: list[Hashable] = []
    for item in patch:
        if item.get(PATCH) == "replace":
            return _closed_up(original, deletions, key)[0]
        if item.get(PATCH) == "delete":
            deletions.append(name_key(item.get(key)))
    held, length = _closed_up(original, deletions, key)
    present = {name_key(item.get(key)) for item in held[:length]}
    for item in patch:
        if PATCH not in item and (name := name_key(item.get(key))) not in present:
            present.add(name)
            if length < len(held):
                held[length] = item
            length += 1
    return held


def _closed_up(items: list[Any], deletions: list[Hashable], key: str) -> tuple[list[Any], int]:
    """The list after the deletions in place, and how many are left. What is behind them is what stood last when a place
    there became free."""
    standing: dict[Hashable, list[int]] = {}
    for at, item in enumerate(items):
        standing.setdefault(name_key(item.get(key)), []).append(at)
    stays = [True] * len(items)
    freed: list[Any] = []
    last = len(items) - 1
    for name in deletions:
        for at in standing.pop(name, ()):
            while not stays[last]:
                last -= 1
            freed.append(items[last])
            stays[at] = False
    left = [item for item, stay in zip(items, stays, strict=True) if stay]
    return [*left, *reversed(freed)], len(left)


def _directed(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """What is left of both lists when the patch's directives are done."""
    plain: list[Any] = []
    gone: set[Hashable] = set()
    replace = False
    for item in patch:
        if PATCH not in item:
            plain.append(item)
            continue
        directive = item[PATCH]
        if directive == "delete":
            gone.add(name_key(_key_of(item, key)))
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise PatchError("merging lists cannot yet be specified in the patch")
        else:
            raise PatchError(f"unknown patch type: {directive} in map: {item}")
    if replace:
        return plain, []
    if gone:
        original = [old for old in original if key not in old or name_key(old[key]) not in gone]
    return original, plain


def _key_of(item: Obj, key: str) -> Any:
    if key not in item:
        raise PatchError(f"map: {item} does not contain declared merge key: {key}")
    return item[key]


def _need_keys(key: str, *lists: list[Any]) -> None:
    for items in lists:
        for item in items:
            if not isinstance(item, dict):
                raise PatchError(f"list element {item!r} is not an object")
            _key_of(item, key)


def _check_order(patch: list[Any], order: list[Any], key: str) -> None:
    """The patch's elements must stand in the order that $setElementOrder asks for."""
    if not patch or not order:
        return
    if key:
        for item in patch:
            if not isinstance(item, dict):
                raise PatchError(f"list element {item!r} is not an object")
        patch = [item for item in patch if item.get(PATCH) != "delete"]
    at = seen = 0
    while at < len(patch) and seen < len(order):
        if isinstance(patch[at], dict) and PATCH in patch[at]:
            at += 1
            continue
        if key:
            _need_keys(key, [patch[at], order[seen]])
        at += _identity(patch[at], key) == _identity(order[seen], key)
        seen += 1
    if at < len(patch) and seen >= len(order):
        raise PatchError(
            f"The order in patch list:\n{patch}\n doesn't match {SET_ORDER.rstrip('/')} list:\n{order}\n"
        )


def _identity(item: Any, key: str) -> Any:
    return item.get(key) if key and isinstance(item, dict) else item


def _arrange(merged: list[Any], order: list[Any], server: list[Any], key: str) -> list[Any]:
    rest: list[Any] = []
    deleted: list[Any] = []
    for item in merged:
        (deleted if isinstance(item, dict) and item.get(PATCH) == "delete" else rest).append(item)
    return [*arrange(rest, order, server, lambda item: _identity(item, key)), *deleted]
