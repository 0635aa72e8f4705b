"""The JSONPaths that columns use: `.status.conditions[?(@.type=="Ready")].status`, `.spec.ports[*].port`, `.a['b.c'][0]`.

A path is compiled once into steps, each from values to values; a step that does not fit a value yields nothing.
Malformed paths raise ValueError when compiled.
Source: Kubernetes, "JSONPath Support" (the part that additionalPrinterColumns may use).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Step = Callable[[Any], Iterable[Any]]

_NAME = re.compile(r"[^.\[\]()'\"\s@?=<>!]+")
_FILTER = re.compile(r"\?\(\s*@((?:\.|\[).*?)?\s*(?:(==|!=|<=|>=|<|>)\s*(.+?))?\s*\)\Z")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


class JSONPath:
    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = list(_parse(text.strip().removeprefix("{").removesuffix("}").removeprefix("$")))

    def find(self, value: Any) -> list[Any]:
        """Every value the path leads to, in order; nulls are no values."""
        found = [value]
        for step in self._steps:
            found = [each for one in found for each in step(one)]
            if not found:
                break
        return [each for each in found if each is not None]


def _parse(text: str) -> Iterator[Step]:
    at = 0
    while at < len(text):
        char = text[at]
        if text.startswith("..", at):
            yield _descend
            at += 1
        elif char == ".":
            if at + 1 == len(text):
                return  # "." alone, or a trailing one: the value itself
            if text[at + 1] == "*":
                yield _children
                at += 2
                continue
            match = _NAME.match(text, at + 1)
            if match is None:
                if text[at + 1] == "[":
                    at += 1
                    continue
                raise ValueError(f"unexpected {text[at + 1 :]!r} in path {text!r}")
            yield _field(match[0].replace("\\", ""))
            at = match.end()
        elif char == "[":
            end = _closing(text, at)
            yield _bracket(text[at + 1 : end].strip(), text)
            at = end + 1
        else:
            match = _NAME.match(text, at)
            if match is None or at:
                raise ValueError(f"unexpected {text[at:]!r} in path {text!r}")
            yield _field(match[0])
            at = match.end()


def _closing(text: str, start: int) -> int:
    depth, quote = 0, ""
    for at in range(start, len(text)):
        char = text[at]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if depth == 0:
                return at
    raise ValueError(f"unterminated array in path {text!r}")


def _bracket(inner: str, text: str) -> Step:
    if inner == "*":
        return _children
    if inner.startswith("?"):
        return _filter(inner, text)
    if inner[:1] in ("'", '"') and inner[-1:] == inner[:1]:
        return _field(inner[1:-1])
    if re.fullmatch(r"-?\d+", inner):
        return _index(int(inner))
    if re.fullmatch(r"-?\d*:-?\d*", inner):
        low, _, high = inner.partition(":")
        return _slice(slice(int(low) if low else None, int(high) if high else None))
    raise ValueError(f"invalid array index {inner!r} in path {text!r}")


def _filter(inner: str, text: str) -> Step:
    match = _FILTER.match(inner)
    if match is None:
        raise ValueError(f"invalid filter {inner!r} in path {text!r}")
    path = JSONPath(match[1] or ".")
    if match[2] is None:
        return lambda value: (each for each in _items(value) if path.find(each))
    compare, wanted = _COMPARE[match[2]], _literal(match[3])

    def holds(each: Any) -> bool:
        found = path.find(each)
        try:
            return bool(found) and compare(found[0], wanted)
        except TypeError:
            return False

    return lambda value: (each for each in _items(value) if holds(each))


def _literal(text: str) -> Any:
    if text[:1] in ("'", '"') and text[-1:] == text[:1]:
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise ValueError(f"invalid literal {text!r}") from None


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        return value
    return value.values() if isinstance(value, dict) else ()


def _children(value: Any) -> Iterable[Any]:
    return _items(value)


def _descend(value: Any) -> Iterator[Any]:
    yield value
    for each in _items(value):
        yield from _descend(each)


def _field(name: str) -> Step:
    return lambda value: (value[name],) if isinstance(value, dict) and name in value else ()


def _index(at: int) -> Step:
    return lambda value: (value[at],) if isinstance(value, list) and -len(value) <= at < len(value) else ()


def _slice(part: slice) -> Step:
    return lambda value: value[part] if isinstance(value, list) else ()
