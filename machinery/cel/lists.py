"""CEL: isSorted, sum, min, max, indexOf, lastIndexOf of lists."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from machinery.cel.function import Function

_SCALARS = ("bool", "int", "double", "string", "map", "list")


def _is_sorted(items: list[Any]) -> bool:
    return all(not right < left for left, right in pairwise(items))


def _sum(items: list[Any]) -> Any:
    if items and isinstance(items[0], timedelta):
        raise ValueError("sum of durations is not supported: the engine takes none from a function")
    return sum(items)


def _smallest(items: list[Any]) -> Any:
    if not items:
        raise ValueError("min called on empty list")
    return min(items)


def _largest(items: list[Any]) -> Any:
    if not items:
        raise ValueError("max called on empty list")
    return max(items)


def _index_of(items: list[Any], item: Any) -> int:
    return next((n for n, each in enumerate(items) if each == item), -1)


def _last_index_of(items: list[Any], item: Any) -> int:
    return next((n for n in range(len(items) - 1, -1, -1) if items[n] == item), -1)


FUNCTIONS = (
    Function("isSorted", ("list",), "bool", _is_sorted, True),
    Function("sum", ("list",), "dyn", _sum, True),
    Function("min", ("list",), "dyn", _smallest, True),
    Function("max", ("list",), "dyn", _largest, True),
    *(Function("indexOf", ("list", kind), "int", _index_of, True) for kind in _SCALARS),
    *(Function("lastIndexOf", ("list", kind), "int", _last_index_of, True) for kind in _SCALARS),
)
