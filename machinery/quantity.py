"""Amounts of resources: exact parsing, comparison, sums and upstream's canonical text.

`parse("1.5Gi")` gives a `Quantity`: a whole number of billionths and the notation it was written in, which
the canonical text keeps (decimal suffix, binary suffix or exponent). Parsing is cached, so that the
helpers `value` (whole units) and `milli_value` (thousandths) may be called on hot paths.

Precision: finer than 1n is rounded away from zero; with a binary suffix, larger than 2^63-1 is cut to it, as upstream does.
A text that is as good as canonical is kept as it is (`1.500`, `+5`): upstream does not write it anew either.

Source: apimachinery pkg/api/resource/quantity.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache, total_ordering
from typing import Literal

Notation = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

_SHAPE = re.compile(r"([+-]?)([0-9.]*)([eEinumkKMGTP]*[-+]?[0-9]*)")
_REGEX_ERROR = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY_SUFFIX = {0: "", **{power: suffix for suffix, power in _BINARY.items()}}
_NANO = 10**9
_FAST_DIGITS = 18
_MAX = (2**63 - 1) * _NANO


class QuantityError(ValueError):
    """The text is no quantity; the message is upstream's."""


@total_ordering
class Quantity:
    """An immutable amount. Equality and order look at the amount, not at its notation."""

    __slots__ = ("nano", "notation", "text")

    def __init__(self, nano: int, notation: Notation = "DecimalSI", text: str = "") -> None:
        self.nano = nano
        self.notation: Notation = notation
        self.text = text  # as it was written, where that is kept

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.nano == other.nano

    def __lt__(self, other: Quantity) -> bool:
        return self.nano < other.nano

    def __hash__(self) -> int:
        return hash(self.nano)

    def __bool__(self) -> bool:
        return self.nano != 0

    def __add__(self, other: Quantity) -> Quantity:
        """A zero takes the other's notation."""
        return Quantity(self.nano + other.nano, self.notation if self.nano else other.notation)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano - other.nano, self.notation if self.nano else other.notation)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nano, self.notation)

    def value(self) -> int:
        """Whole units, rounded away from zero."""
        return _divide_up(self.nano, _NANO)

    def milli_value(self) -> int:
        """Thousandths, rounded away from zero."""
        return _divide_up(self.nano, _NANO // 1000)

    def __float__(self) -> float:
        return self.nano / _NANO

    def __repr__(self) -> str:
        return f"Quantity({str(self)!r})"

    def __str__(self) -> str:
        """The canonical text: no fraction, the largest suffix that keeps the number whole (a decimal one for fractions)."""
        if self.text:
            return self.text
        if self.nano == 0:
            return "0"
        if self.notation == "BinarySI" and abs(self.nano) >= 1024 * _NANO and self.nano % _NANO == 0:
            number, power = self.nano // _NANO, 0
            while power < 6 and number % 1024 == 0:
                number //= 1024
                power += 1
            return f"{number}{_BINARY_SUFFIX[power]}"
        number, exponent = self.nano, -9
        largest = 18 if self.notation != "DecimalExponent" else 300
        while exponent < largest and number % 1000 == 0:
            number //= 1000
            exponent += 3
        if self.notation == "DecimalExponent":
            return f"{number}e{exponent}" if exponent else str(number)
        return f"{number}{_DECIMAL_SUFFIX[exponent]}"


def _divide_up(number: int, by: int) -> int:
    return -(-number // by) if number > 0 else number // by


def _split(text: str) -> tuple[bool, str, int, int, Notation]:
    """(negative, digits with a dot, decimal exponent, binary power, notation)."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise QuantityError(_REGEX_ERROR)
    sign, digits, suffix = shape.groups()
    if digits.count(".") > 1:
        raise QuantityError(_REGEX_ERROR)
    if suffix in _DECIMAL:
        return sign == "-", digits, _DECIMAL[suffix], 0, "DecimalSI"
    if suffix in _BINARY:
        if digits in ("", ".") and _BINARY[suffix] >= 5:
            raise QuantityError("unable to parse numeric part of quantity")
        return sign == "-", digits, 0, _BINARY[suffix], "BinarySI"
    if suffix[0] in "eE" and re.fullmatch(r"[+-]?[0-9]{1,4}", suffix[1:]):
        return sign == "-", digits, int(suffix[1:]), 0, "DecimalExponent"
    raise QuantityError("unable to parse quantity's suffix")


@lru_cache(maxsize=16384)
def parse(text: str | int | float) -> Quantity:
    """From wire form; numbers are accepted as JSON may hold them. Raises QuantityError."""
    if not isinstance(text, str):
        if isinstance(text, bool):
            raise QuantityError(_REGEX_ERROR)
        text = repr(text)
    if len(text) > 256 or not text:
        raise QuantityError(_REGEX_ERROR)
    negative, digits, exponent, power, notation = _split(text)
    whole, _, fraction = digits.partition(".")
    fraction = fraction.rstrip("0")
    unscaled = int(whole + fraction or "0") * 1024**power
    shift = exponent - len(fraction) + 9  # the power of ten that makes billionths
    if unscaled == 0:
        nano = 0
    elif shift > 40 + 19:
        nano = _MAX
    elif shift >= 0:
        nano = unscaled * 10**shift
    elif -shift > len(str(unscaled)) + 1:
        nano = 1
    else:
        nano = -(-unscaled // 10**-shift)
    if notation == "BinarySI":
        nano = min(nano, _MAX)
    if notation == "BinarySI" and 0 < nano < _NANO:
        notation = "DecimalSI"
    kept = text if _is_kept(digits, exponent, power, notation) else ""
    return Quantity(-nano if negative else nano, notation, kept)


def _is_kept(digits: str, exponent: int, power: int, notation: Notation) -> bool:
    """Whether upstream keeps the text: whole in its unit, of few digits, and no larger unit is to be had at a glance."""
    whole, _, fraction = digits.partition(".")
    whole = whole.lstrip("0") or "0"
    if notation == "BinarySI":
        return not fraction and 14 - len(whole) - 3 * power >= 0 and int(whole) & 7 != 0
    scale = exponent - len(fraction)
    number = whole + fraction
    is_short = len(number) <= _FAST_DIGITS and scale >= -9
    return is_short and scale % 3 == 0 and number[0] != "0" and not number.endswith("000")


@lru_cache(maxsize=16384)
def canonical(text: str | int | float) -> str:
    """`1000m` → `1`, `1024Mi` → `1Gi`, `0.5` → `500m`, `1e3` → `1e3`."""
    return str(parse(text))


@lru_cache(maxsize=16384)
def value(text: str | int | float) -> int:
    """Whole units, rounded up: bytes of memory, numbers of pods."""
    return parse(text).value()


@lru_cache(maxsize=16384)
def milli_value(text: str | int | float) -> int:
    """Thousandths, rounded up: millicores."""
    return parse(text).milli_value()


def is_quantity(text: str) -> bool:
    try:
        parse(text)
    except QuantityError:
        return False
    return True


def of_units(units: int, notation: Notation = "DecimalSI") -> Quantity:
    return Quantity(units * _NANO, notation)


def of_milli(milli: int) -> Quantity:
    return Quantity(milli * (_NANO // 1000))


def total(texts: Iterable[str | int | float]) -> Quantity:
    """The sum; no text at all is 0."""
    out = Quantity(0)
    for text in texts:
        out = out + parse(text)
    return out
