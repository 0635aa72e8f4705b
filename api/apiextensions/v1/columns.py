"""Printer columns of custom resources: what a column's path finds, in the form that its type has in a table.

    read = cell_reader("integer", ".spec.replicas")
    read(obj, now)          `now` in epoch seconds; None where nothing is found, or nothing of that type

Of several values that a path finds the first is shown.

Source: apiextensions-apiserver pkg/registry/customresource/tableconvertor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import orjson

from machinery import jsonpath
from machinery.clock import parse_rfc3339
from machinery.durations import human_duration

Obj = dict[str, Any]


def cell_reader(kind: str, path: str) -> Callable[[Obj, float], Any]:
    """The path is compiled with the first object."""

    @cache
    def compiled() -> Any:
        return jsonpath.compile(path)

    def read(obj: Obj, now: float) -> Any:
        value = next(iter(compiled().values(obj)), None)
        return None if value is None else _cell(kind, value, now)

    return read


def _cell(kind: str, value: Any, now: float) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    match kind:
        case "integer":
            return int(value) if is_number else None
        case "number":
            return value if is_number else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return _age(value, now) if isinstance(value, str) else None
    return _text(value)


def _age(value: str, now: float) -> str:
    if not value:
        return "<unknown>"
    try:
        return human_duration(now - parse_rfc3339(value))
    except ValueError:
        return "<invalid>"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, (dict, list)) else str(value)
