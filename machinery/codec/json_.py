"""JSON, fast and bounded: orjson with a limit on nesting, and the duplicate keys that it does not tell of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

MAX_DEPTH = 200


class JsonError(ValueError):
    """The text is no JSON, or nested too deeply."""


def loads(data: bytes | str, *, max_depth: int = MAX_DEPTH) -> Any:
    """Raises JsonError, also for values nested deeper than `max_depth`."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise JsonError(str(error)) from error
    if isinstance(data, bytes):
        brackets = data.count(b"{") + data.count(b"[")
    else:
        brackets = data.count("{") + data.count("[")
    if brackets > max_depth and is_deeper(value, max_depth):
        raise JsonError(f"nested deeper than {max_depth} levels")
    return value


def is_deeper(value: Any, limit: int) -> bool:
    """Is a value nested more than `limit` containers deep? Works level by level, without recursion."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        below: list[Any] = []
        for container in level:
            items = container.values() if type(container) is dict else container
            below += [item for item in items if type(item) is dict or type(item) is list]
        if not below:
            return False
        level = below
    return bool(level)


def is_larger(value: Any, limit: int) -> bool:
    """Does a value hold more than `limit` values? Works without recursion, and stops when it knows."""
    count, level = 1, [value] if isinstance(value, (dict, list)) else []
    while level and count <= limit:
        below: list[Any] = []
        for container in level:
            count += len(container)
            items = container.values() if type(container) is dict else container
            below += [item for item in items if type(item) is dict or type(item) is list]
        level = below
    return count > limit


def dumps(value: Any) -> bytes:
    """Compact; keys in the order they have."""
    return orjson.dumps(value)


def dumps_sorted(value: Any) -> bytes:
    """Compact with sorted keys: equal values give equal bytes (hashes, revisions)."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


class _Pairs(list[tuple[str, Any]]):
    """An object as its pairs, repeated keys and all."""


MAX_TOLD_CHARS = 1024 * 1024  # of all paths: with a long key on the way, they are far larger than the text


class _Way(NamedTuple):
    """How one comes to a value. It becomes a text only where that is told."""

    before: _Way | None
    step: str
    is_nowhere: bool  # its text is empty: that of the whole, or of a key that is

    def key(self, key: str) -> _Way:
        return _Way(self, key if self.is_nowhere else f".{key}", self.is_nowhere and not key)

    def item(self, at: int) -> _Way:
        return _Way(self, f"[{at}]", False)

    def text(self) -> str:
        steps: list[str] = []
        way: _Way | None = self
        while way is not None:
            steps.append(way.step)
            way = way.before
        return "".join(reversed(steps))


class Key(NamedTuple):
    """A key where a reader meets it: in how many lists and objects, and whether its object has had it before."""

    way: _Way
    name: str
    depth: int
    again: bool


def keys_of(data: bytes | str) -> Iterator[Key]:
    """Every key of a JSON text, in the order of the text."""
    frames = [_within(json.loads(data, object_pairs_hook=_Pairs), _Way(None, "", True))]
    while frames:
        met = next(frames[-1], None)
        if met is None:
            frames.pop()
            continue
        name, again, value, way = met
        if name is not None:
            yield Key(way, name, len(frames), again)
        if isinstance(value, list):
            frames.append(_within(value, way))


def _within(value: list[Any], way: _Way) -> Iterator[tuple[str | None, bool, Any, _Way]]:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for name, item in value:
            yield name, name in seen, item, way.key(name)
            seen.add(name)
    else:
        for at, item in enumerate(value):
            yield None, False, item, way.item(at)


def duplicate_fields(data: bytes | str) -> list[str]:
    """Paths of keys that occur again in their object: `spec.containers[0].name`. A slow second reading.

    Paths are told up to MAX_TOLD_CHARS in all.
    """
    return told(key.way for key in keys_of(data) if key.again)


def told(ways: Iterable[_Way]) -> list[str]:
    """Their texts, up to MAX_TOLD_CHARS in all."""
    found: list[str] = []
    left = MAX_TOLD_CHARS
    for way in ways:
        found.append(way.text())
        left -= len(found[-1])
        if left <= 0:
            break
    return found
