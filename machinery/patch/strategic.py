"""Strategic merge patch: a merge patch that knows a kind's schema, so that lists merge by key.

`Schema.patch_strategy` and `Schema.merge_key` of a list say how it merges; a list without the strategy
`merge` is replaced. Directives inside a patch:
* `$patch: replace | delete | merge` in an object or in an element of a list;
* `$retainKeys: [...]`: of the object's members only these stay;
* `$deleteFromPrimitiveList/NAME: [...]`: values to take out of the list NAME;
* `$setElementOrder/NAME: [...]`: the order of NAME's elements; those it does not speak of keep their place
  relative to the rest as well as they can.

Source: apimachinery pkg/util/strategicpatch (semantics), sig-api-machinery/strategic-merge-patch.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from machinery.objects import deep_copy
from machinery.patch import PatchError
from machinery.schema import Schema

Obj = dict[str, Any]
PATCH = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList/"
SET_ORDER = "$setElementOrder/"


def apply(target: Obj, patch: Any, schema: Schema | None) -> Obj:
    """The target after the patch. Untouched parts are shared with `target`: treat both as frozen."""
    if not isinstance(patch, dict):
        raise PatchError("a strategic merge patch must be a JSON object")
    return _merge_map(target, patch, schema)


def child_schema(schema: Schema | None, key: str) -> Schema | None:
    if schema is None:
        return None
    found = schema.fields.get(key)
    return found if found is not None else schema.values


def _merge_map(original: Obj, patch: Obj, schema: Schema | None) -> Obj:
    if PATCH in patch:
        directive = patch[PATCH]
        if directive == "replace":
            whole: Obj = _without_directives({key: value for key, value in patch.items() if key != PATCH})
            return whole
        if directive == "delete":
            return {}
        if directive != "merge":
            raise PatchError(f"unknown patch type: {directive} in map: {patch}")
    out = dict(original)
    if RETAIN_KEYS in patch:
        _retain_keys(out, patch)
    orders = {key[len(SET_ORDER) :]: value for key, value in patch.items() if key.startswith(SET_ORDER)}
    for key, value in patch.items():
        if key in (PATCH, RETAIN_KEYS) or key.startswith(SET_ORDER):
            continue
        if key.startswith(DELETE_FROM):
            _delete_from(out, key[len(DELETE_FROM) :], value)
            continue
        child = child_schema(schema, key)
        if value is None:
            out.pop(key, None)
        elif key not in out or out[key] is None:
            out[key] = _without_directives(value)
        elif isinstance(value, dict) and isinstance(out[key], dict):
            if child is not None and "replace" in child.patch_strategy:
                out[key] = _without_directives(value)
            else:
                out[key] = _merge_map(out[key], value, child)
        elif isinstance(value, list) and isinstance(out[key], list):
            out[key] = _merge_list(out[key], value, child, orders.get(key))
        else:
            out[key] = _without_directives(value)
    for key, order in orders.items():
        if isinstance(out.get(key), list):
            before = original.get(key)
            out[key] = _in_order(
                out[key], order, before if isinstance(before, list) else [], child_schema(schema, key)
            )
    return out


def _retain_keys(out: Obj, patch: Obj) -> None:
    keys = patch[RETAIN_KEYS]
    if not isinstance(keys, list):
        raise PatchError(f"{RETAIN_KEYS} must be a list")
    for key, value in patch.items():
        if value is not None and not key.startswith("$") and key not in keys:
            raise PatchError(f"{RETAIN_KEYS} directives and the patch conflict: {key} is not retained")
    for key in list(out):
        if key not in keys:
            del out[key]


def _delete_from(out: Obj, key: str, values: Any) -> None:
    if not isinstance(values, list):
        raise PatchError(f"{DELETE_FROM}{key} must be a list")
    present = out.get(key)
    if isinstance(present, list):
        out[key] = [item for item in present if item not in values]


def _without_directives(value: Any) -> Any:
    """A patch's value where the object had none: directives and nulls mean nothing there."""
    if isinstance(value, dict):
        if value.get(PATCH) == "delete":
            return {}
        return {
            key: _without_directives(item)
            for key, item in value.items()
            if item is not None
            and key not in (PATCH, RETAIN_KEYS)
            and not key.startswith((SET_ORDER, DELETE_FROM))
        }
    if isinstance(value, list):
        return [
            _without_directives(item)
            for item in value
            if not (isinstance(item, dict) and PATCH in item and _is_only_directive(item))
        ]
    return value


def _is_only_directive(item: Obj) -> bool:
    return item[PATCH] == "delete" or len(item) == 1


def _merge_list(original: list[Any], patch: list[Any], schema: Schema | None, order: Any) -> list[Any]:
    if schema is None or "merge" not in schema.patch_strategy:
        kept: list[Any] = _without_directives(patch)
        return kept
    if not any(isinstance(item, dict) for item in (*original, *patch)):
        merged: list[Any] = []
        for item in (*original, *patch):
            if item not in merged:
                merged.append(item)
        return _arrange(merged, order if order is not None else patch, original, "")
    key = schema.merge_key
    if not key:
        return list(deep_copy(patch))
    return _merge_list_of_maps(original, patch, schema, key, order)


def _merge_list_of_maps(
    original: list[Any], patch: list[Any], schema: Schema, key: str, order: Any
) -> list[Any]:
    replace = False
    deleted: list[Any] = []
    plain: list[Obj] = []
    for item in patch:
        if not isinstance(item, dict):
            raise PatchError(f"list element {item!r} is not an object")
        directive = item.get(PATCH)
        if directive == "delete":
            deleted.append(_key_of(item, key))
        elif directive == "replace":
            replace = True
            if len(item) > 1:
                plain.append(item)
        elif directive in (None, "merge"):
            plain.append(item)
        else:
            raise PatchError(f"unknown patch type: {directive} in map: {item}")
    if replace:
        return [_without_directives(item) for item in plain]
    _check_order(plain, order, key)
    merged: list[Any] = [
        item for item in original if not (isinstance(item, dict) and item.get(key, deleted) in deleted)
    ]
    for item in plain:
        value = _key_of(item, key)
        for index, old in enumerate(merged):
            if isinstance(old, dict) and key in old and old[key] == value:
                merged[index] = _merge_map(old, item, schema.items)
                break
        else:
            merged.append(_without_directives(item))
    return _arrange(merged, order if order is not None else plain, original, key)


def _key_of(item: Obj, key: str) -> Any:
    if key not in item:
        raise PatchError(f"map: {item} does not contain declared merge key: {key}")
    return item[key]


def _check_order(plain: list[Obj], order: Any, key: str) -> None:
    """The patch's elements must stand in the order that $setElementOrder asks for."""
    if order is None:
        return
    wanted = [item.get(key) for item in order if isinstance(item, dict)]
    got = [item[key] for item in plain if key in item]
    if [value for value in wanted if value in got] != got:
        raise PatchError(
            f"The order in patch list:\n{got}\n doesn't match {SET_ORDER.rstrip('/')} list:\n{wanted}\n"
        )


def _in_order(merged: list[Any], order: Any, before: list[Any], schema: Schema | None) -> list[Any]:
    if not isinstance(order, list):
        raise PatchError(f"{SET_ORDER} needs a list")
    key = schema.merge_key if schema is not None else ""
    return _arrange(merged, order, before, key if any(isinstance(item, dict) for item in order) else "")


def _identity(item: Any, key: str) -> Any:
    return item.get(key) if key and isinstance(item, dict) else item


def _arrange(merged: list[Any], order: Sequence[Any], server: Sequence[Any], key: str) -> list[Any]:
    """Elements named in `order` in that order; the others interleaved by where `server` had them."""
    if len(merged) < 2:
        return merged
    wanted = [_identity(item, key) for item in order]
    served = [_identity(item, key) for item in server]

    def place(item: Any) -> int:
        identity = _identity(item, key)
        return served.index(identity) if identity in served else -1

    named = sorted(
        (item for item in merged if _identity(item, key) in wanted),
        key=lambda item: wanted.index(_identity(item, key)),
    )
    others = sorted((item for item in merged if _identity(item, key) not in wanted), key=place)
    out: list[Any] = []
    i = j = 0
    while i < len(others) and j < len(named):
        left, right = place(others[i]), place(named[j])
        if left >= 0 and right >= 0 and left < right:
            out.append(others[i])
            i += 1
        else:
            out.append(named[j])
            j += 1
    return [*out, *others[i:], *named[j:]]
