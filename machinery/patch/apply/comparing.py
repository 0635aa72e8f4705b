"""Where two values differ, field by field, in the light of their schema.

    compare(old, new, schema) → Comparison(added, modified, removed), three roots of field sets

A container that appears or goes is a member, and so is everything in it. What a typed object has even when nobody set it
(`Schema.always`: upstream's Go structs) is never seen to appear or go, only to change. List elements that stand twice are
one field together, as long as they do.

This must be fast, since it runs at every write: equal subtrees are skipped by Python's own comparison, and only what
differs is walked.

Source: structured-merge-diff typed/compare.go.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from machinery.patch.apply.sets import LEAF, FieldSet
from machinery.patch.apply.typed import Form, child_of, elements, filled, form_of, zero_of
from machinery.schema import Schema

Obj = dict[str, Any]
ABSENT: Any = object()


class Comparison(NamedTuple):
    """Three roots. A container that appears or goes is a member, and so is everything in it."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet


def compare(old: Obj, new: Obj, schema: Schema | None) -> Comparison:
    out = Comparison({}, {}, {})
    _compare_maps(old, new, schema, out)
    return out


def _compare_maps(old: Obj, new: Obj, schema: Schema | None, out: Comparison) -> None:
    """Of two maps or objects that are both there."""
    always = schema.always if schema is not None else ()
    for key, value in new.items():
        before = old.get(key, ABSENT)
        if before is value or before == value:
            continue
        child = child_of(schema, key)
        if before is ABSENT and key in always:
            assert child is not None
            before = zero_of(child)
            if before == value or not (before or value):
                continue
        _compare("f:" + key, before, value, child, out)
    for key, before in old.items():
        if key not in new:
            child = child_of(schema, key)
            value = ABSENT
            if key in always:
                assert child is not None
                value = zero_of(child)
                if before == value or not (before or value):
                    continue
            _compare("f:" + key, before, value, child, out)


def _all_fields(value: Obj, schema: Schema | None, out: FieldSet) -> None:
    """Of a map or object that came or went as a whole."""
    for key, item in value.items():
        out["f:" + key] = whole_fields(item, child_of(schema, key))
    if schema is not None:
        for key in schema.always:
            if key not in value:
                child = schema.fields[key]
                out["f:" + key] = whole_fields(zero_of(child), child)


def whole_fields(value: Any, schema: Schema | None) -> FieldSet:
    """The node of a value that came or went as a whole: it and everything in it are members."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return LEAF
    form = form_of(value, schema)
    out: FieldSet = {}
    if form == "map" and kind is dict:
        _all_fields(value, schema, out)
    elif form == "list" and kind is list:
        assert schema is not None
        names = elements(value, schema)
        for name, item in zip(names or (), value, strict=False):
            out[name] = LEAF if name in out else whole_fields(item, schema.items)
    return {".": LEAF, **out} if out else LEAF


def _compare(element: str, before: Any, after: Any, schema: Schema | None, out: Comparison) -> None:
    """Of two values that differ; either may be ABSENT. What is found goes into `out` at `element`."""
    if before is ABSENT:
        out.added[element] = whole_fields(after, schema)
        return
    if after is ABSENT:
        out.removed[element] = whole_fields(before, schema)
        return
    inner = Comparison({}, {}, {})
    form, was = form_of(after, schema), form_of(before, schema)
    is_leaf = was != form and _compare_as(
        was, before, after, schema, inner
    )  # say, text where a map stands now
    if _compare_as(form, before, after, schema, inner) or is_leaf:
        inner.modified["."] = LEAF
    for parent, node in zip(out, inner, strict=True):
        if node:
            parent[element] = LEAF if len(node) == 1 and "." in node else node


def _compare_as(form: Form, before: Any, after: Any, schema: Schema | None, out: Comparison) -> bool:
    """Whether the value counts as one field; else `out` tells of what is in it."""
    if form == "map":
        old = before if isinstance(before, dict) else {}
        new = after if isinstance(after, dict) else {}
        if old or new:
            _compare_maps(old, new, schema, out)
            return False
    elif form == "list":
        old_items = before if isinstance(before, list) else []
        new_items = after if isinstance(after, list) else []
        if old_items or new_items:
            assert schema is not None
            return not _compare_lists(old_items, new_items, schema, out)
    return True


def restated(live: Any, config: Any, schema: Schema | None) -> FieldSet:
    """Atomic fields that a configuration says as they are, but without the zeros that typed objects have.

    Upstream takes such a value for another one, since what it says replaces those zeros.
    """
    form = form_of(config, schema)
    if form == "leaf":
        return {}
    out: FieldSet = {}
    if form == "map" and isinstance(config, dict) and isinstance(live, dict):
        for key, item in config.items():
            if key in live and isinstance(item, (dict, list)):
                _restated(out, "f:" + key, live[key], item, child_of(schema, key))
    elif form == "list" and isinstance(config, list) and isinstance(live, list):
        assert schema is not None
        held = dict(zip(elements(live, schema) or (), live, strict=False))
        for name, item in zip(elements(config, schema) or (), config, strict=False):
            if name in held:
                _restated(out, name, held[name], item, schema.items)
    return out


def _restated(out: FieldSet, element: str, live: Any, item: Any, schema: Schema | None) -> None:
    if form_of(item, schema) == "leaf":
        if live == item and filled(live, schema) != item:
            out[element] = LEAF
    elif inner := restated(live, item, schema):
        out[element] = inner


def _compare_lists(old: list[Any], new: list[Any], schema: Schema, out: Comparison) -> bool:
    """False where the elements cannot be told apart: the list then counts as one field."""
    old_names, new_names = elements(old, schema), elements(new, schema)
    if old_names is None or new_names is None:
        return False
    before: dict[str, Any] = dict(zip(old_names, old, strict=True))
    after: dict[str, Any] = dict(zip(new_names, new, strict=True))
    if len(before) != len(old) or len(after) != len(new):
        _compare_repeated(old_names, old, new_names, new, schema, out)
        return True
    for name, item in after.items():
        was = before.get(name, ABSENT)
        if was is not item and was != item:
            _compare(name, was, item, schema.items, out)
    for name, was in before.items():
        if name not in after:
            _compare(name, was, ABSENT, schema.items, out)
    return True


def _compare_repeated(
    old_names: list[str],
    old: list[Any],
    new_names: list[str],
    new: list[Any],
    schema: Schema,
    out: Comparison,
) -> None:
    """Lists in which an element stands twice: such elements are one field, and their fields nobody's."""
    before, after = _gathered(old_names, old), _gathered(new_names, new)
    for name in before | after:
        was, now = before.get(name, []), after.get(name, [])
        if len(was) <= 1 and len(now) <= 1:
            one, other = (was or [ABSENT])[0], (now or [ABSENT])[0]
            if one != other:
                _compare(name, one, other, schema.items, out)
        elif len(was) > 1 and len(now) > 1:
            if was != now:
                out.modified[name] = LEAF
        elif len(was) > 1:
            if now:
                _compare(name, ABSENT, now[0], schema.items, out)
            out.removed[name] = LEAF
        else:
            if was:
                _compare(name, was[0], ABSENT, schema.items, out)
            out.added[name] = LEAF


def _gathered(names: list[str], items: list[Any]) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {}
    for name, item in zip(names, items, strict=True):
        out.setdefault(name, []).append(item)
    return out
