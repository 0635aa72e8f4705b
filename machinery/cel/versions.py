"""CEL: semver(), isSemver() and the order of semantic versions (semver.org 2.0.0)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from machinery.cel.function import Function, marked

_MARK = "$semver"
_SHAPE = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)


def normalized(text: str) -> str:
    """`v1.02` → `1.2.0`: a leading v, missing parts and leading zeros are forgiven."""
    text = text.removeprefix("v")
    core = re.match(r"[^-+]*", text)
    numbers, rest = (core.group(), text[core.end() :]) if core else ("", text)
    parts = [part.lstrip("0") or "0" if part.isdigit() else part for part in numbers.split(".")]
    return ".".join([*parts, "0", "0"][: max(3, len(parts))]) + rest


def _parse(text: str, normalize: bool = False) -> dict[str, Any]:
    text = normalized(text) if normalize else text
    if _SHAPE.fullmatch(text) is None:
        raise ValueError(f'No Major.Minor.Patch elements found: "{text}"')
    return {_MARK: text}


def _is_semver(text: str, normalize: bool = False) -> bool:
    return _SHAPE.fullmatch(normalized(text) if normalize else text) is not None


def _rank(value: Any) -> tuple[Any, ...]:
    found = _SHAPE.fullmatch(marked(value, _MARK))
    assert found is not None
    major, minor, patch, before, _ = found.groups()
    # Without a pre-release comes after all with one; numbers come before words.
    ranked = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in before.split(".")] if before else []
    return (int(major), int(minor), int(patch), not ranked, ranked)


def _compare(left: Any, right: Any) -> int:
    a, b = _rank(left), _rank(right)
    return (a > b) - (a < b)


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "isLessThan": lambda left, right: _compare(left, right) < 0,
    "isGreaterThan": lambda left, right: _compare(left, right) > 0,
    "compareTo": _compare,
}

FUNCTIONS = (
    Function("semver", ("string",), "map", _parse),
    Function("semver", ("string", "bool"), "map", _parse),
    Function("isSemver", ("string",), "bool", _is_semver),
    Function("isSemver", ("string", "bool"), "bool", _is_semver),
    Function("major", ("map",), "int", lambda value: _rank(value)[0], True),
    Function("minor", ("map",), "int", lambda value: _rank(value)[1], True),
    Function("patch", ("map",), "int", lambda value: _rank(value)[2], True),
)
