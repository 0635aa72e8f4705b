"""Laws of quantities."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from machinery import quantity

SUFFIXES = {
    "": Fraction(1),
    "m": Fraction(1, 1000),
    "k": Fraction(1000),
    "M": Fraction(10**6),
    "Ki": Fraction(1024),
    "Mi": Fraction(1024**2),
    "e3": Fraction(1000),
    "e-3": Fraction(1, 1000),
}
numbers = st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 999), st.sampled_from(sorted(SUFFIXES)))


def text_of(parts: tuple[int, int, str]) -> str:
    return f"{parts[0]}.{parts[1]:03d}{parts[2]}"


@given(numbers)
def test_canonical_form_keeps_the_amount_and_is_a_fixed_point(parts: tuple[int, int, str]) -> None:
    text = text_of(parts)
    shown = quantity.canonical(text)
    sign = -1 if text.startswith("-") else 1
    exact = SUFFIXES[parts[2]] * (abs(parts[0]) + Fraction(parts[1], 1000)) * sign
    assert Fraction(quantity.parse(text).nano, 10**9) == exact
    assert quantity.canonical(shown) == shown
    got = quantity.parse(shown)
    if quantity.parse(text).notation != "BinarySI":
        assert got == quantity.parse(text)


@given(numbers, numbers)
def test_sum_and_order_agree_with_fractions(a: tuple[int, int, str], b: tuple[int, int, str]) -> None:
    left, right = quantity.parse(text_of(a)), quantity.parse(text_of(b))
    assert (left + right).nano == left.nano + right.nano
    assert (left < right) == (left.nano < right.nano)
    assert (left + right) - right == left
