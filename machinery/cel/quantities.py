"""CEL: quantity(), isQuantity() and arithmetic on quantities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from machinery.cel.function import Function, marked
from machinery.quantity import Quantity, QuantityError, is_quantity, of_units, parse

_MARK = "$quantity"
_UNIT = 10**9


def _wrapped(amount: Quantity) -> dict[str, Any]:
    # Billionths as text: they may be more than an int64 holds, and equal amounts are equal.
    return {_MARK: str(amount.nano)}


def _quantity(text: str) -> dict[str, Any]:
    try:
        return _wrapped(parse(text))
    except QuantityError as error:
        raise ValueError(str(error)) from None


def _nano(value: Any) -> int:
    return int(marked(value, _MARK))


def _as_integer(value: Any) -> int:
    if not _is_integer(value):
        raise ValueError("cannot convert value to integer")
    return _nano(value) // _UNIT


def _is_integer(value: Any) -> bool:
    nano = _nano(value)
    return nano % _UNIT == 0 and -(2**63) <= nano // _UNIT < 2**63


def _sign(value: Any) -> int:
    nano = _nano(value)
    return (nano > 0) - (nano < 0)


def _compare(left: Any, right: Any) -> int:
    difference = _nano(left) - _nano(right)
    return (difference > 0) - (difference < 0)


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "isLessThan": lambda left, right: _compare(left, right) < 0,
    "isGreaterThan": lambda left, right: _compare(left, right) > 0,
    "compareTo": _compare,
}

FUNCTIONS = (
    Function("quantity", ("string",), "map", _quantity),
    Function("isQuantity", ("string",), "bool", is_quantity),
    Function("sign", ("map",), "int", _sign, True),
    Function("isInteger", ("map",), "bool", _is_integer, True),
    Function("asInteger", ("map",), "int", _as_integer, True),
    Function("asApproximateFloat", ("map",), "double", lambda value: _nano(value) / _UNIT, True),
    Function("add", ("map", "map"), "map", lambda a, b: _wrapped(Quantity(_nano(a) + _nano(b))), True),
    Function(
        "add", ("map", "int"), "map", lambda a, b: _wrapped(Quantity(_nano(a) + of_units(b).nano)), True
    ),
    Function("sub", ("map", "map"), "map", lambda a, b: _wrapped(Quantity(_nano(a) - _nano(b))), True),
    Function(
        "sub", ("map", "int"), "map", lambda a, b: _wrapped(Quantity(_nano(a) - of_units(b).nano)), True
    ),
)
