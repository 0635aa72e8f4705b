"""Sets of fields, in the very form that metadata.managedFields holds (fieldsV1).

A set is a tree of dicts. Keys are path elements: `f:name` (a field or a map's key), `k:{"name":"x"}` (an
element of a list, by its keys), `v:1` (an element of a set), `i:0` (an index), and `.` for the node itself.
A node `{}` is a member without members below it; a node with children is a member if it holds `.`. The
root is never a member: `{}` there is the empty set.

Sets are frozen: operations share subtrees, so nothing here may be changed after it is made.

Source: structured-merge-diff fieldpath (serialize-pe.go, set.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from machinery import integers

FieldSet = dict[str, Any]
LEAF: FieldSet = {}
EMPTY: FieldSet = {}
_SELF: FieldSet = {".": LEAF}


def is_member(node: FieldSet) -> bool:
    return not node or "." in node


def _pack(node: FieldSet) -> FieldSet | None:
    """The canonical form of a node: `{".": {}}` alone is `{}`, nothing at all is None."""
    if not node:
        return None
    if len(node) == 1 and "." in node:
        return LEAF
    return node


def is_well_formed(node: Any) -> bool:
    """Whether this is a set at all: for what clients send."""
    return isinstance(node, dict) and all(
        (key == "." or _is_element(key)) and is_well_formed(inner) for key, inner in node.items()
    )


def _is_element(key: str) -> bool:
    kind, colon, rest = key[:1], key[1:2], key[2:]
    if colon != ":":
        return False
    if kind == "i":
        return integers.parse(rest) is not None
    if kind not in "kv":
        return True
    try:
        return isinstance(orjson.loads(rest), dict) or kind == "v"
    except orjson.JSONDecodeError:
        return False


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Of two roots."""
    if not right or left is right:
        return left
    if not left:
        return right
    out = left.copy()
    for key, theirs in right.items():
        ours = out.get(key)
        if ours is None:
            out[key] = theirs
        elif ours is not theirs and (ours or theirs) and key != ".":
            out[key] = _pack(union(ours or _SELF, theirs or _SELF)) or LEAF
    return out


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of `left` that are not members of `right`; the same object if nothing goes."""
    if not right or not left:
        return left
    out: FieldSet | None = None
    for key, ours in left.items():
        theirs = right.get(key)
        if theirs is None:
            continue
        if key == ".":
            kept = None
        elif not ours:
            kept = None if is_member(theirs) else ours
        else:
            kept = _pack(difference(ours, theirs or _SELF))
        if kept is not ours:
            if out is None:
                out = left.copy()
            if kept is None:
                del out[key]
            else:
                out[key] = kept
    return left if out is None else out


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of both."""
    if not left or not right:
        return EMPTY
    out: FieldSet = {}
    for key, ours in left.items():
        theirs = right.get(key)
        if theirs is None:
            continue
        if key == ".":
            out[key] = LEAF
            continue
        kept = _pack(intersection(ours or _SELF, theirs or _SELF))
        if kept is not None:
            out[key] = kept
    return out


def paths(fields: FieldSet, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every member as its path elements: those of a node in their order, then what is below each."""
    ordered = sorted((key for key in fields if key != "."), key=_rank)
    for key in ordered:
        if is_member(fields[key]):
            yield (*prefix, key)
    for key in ordered:
        yield from paths(fields[key], (*prefix, key))


def _rank(element: str) -> tuple[Any, ...]:
    """Fields by name, then elements by keys, by value, by index; numbers by size."""
    kind, _, rest = element.partition(":")
    if kind == "f":
        return (0, rest)
    if kind == "k":
        keys = orjson.loads(rest)
        return (1, tuple((name, *_value_rank(keys[name])) for name in sorted(keys)))
    return (2, *_value_rank(orjson.loads(rest))) if kind == "v" else (3, int(rest))


def _value_rank(value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, (int, float)):
        return (0, value)
    return (1, value) if isinstance(value, str) else (3, orjson.dumps(value))


def show(path: Sequence[str]) -> str:
    """A path for people: `.spec.containers[name="web"].image`."""
    out = []
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            out.append(f".{rest}")
        elif kind == "k":
            keys = orjson.loads(rest)
            out.append("[" + ",".join(f"{k}={orjson.dumps(v).decode()}" for k, v in keys.items()) + "]")
        elif kind == "v":
            out.append(f"[={rest}]")
        else:
            out.append(f"[{rest}]")
    return "".join(out)


def value_element(value: Any) -> str:
    """An element of a list that is a set."""
    return "v:" + orjson.dumps(value).decode()


def key_element(item: Any, keys: Sequence[str], defaults: dict[str, Any]) -> str | None:
    """An element of a list that is a map; None where it lacks all keys, and none has a default."""
    if not isinstance(item, dict):
        return None
    if len(keys) == 1:
        value = item.get(keys[0])
        if (
            type(value) is str
            and value.isascii()
            and '"' not in value
            and "\\" not in value
            and value.isprintable()
        ):
            return f'k:{{"{keys[0]}":"{value}"}}'
    found = {key: item.get(key, defaults.get(key)) for key in sorted(keys) if key in item or key in defaults}
    return "k:" + orjson.dumps(found).decode() if found else None
