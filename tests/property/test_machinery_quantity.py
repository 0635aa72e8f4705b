"""Laws of quantities."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
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


ALL_SUFFIXES = {
    **{
        suffix: Fraction(10) ** power
        for suffix, power in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)
    },
    **{
        suffix: Fraction(1024) ** power
        for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)
    },
    "": Fraction(1),
}
digits = st.text("0123456789", min_size=1, max_size=25)
MOST = 2**63 - 1
NANO = Fraction(1, 10**9)


@settings(max_examples=400)
@given(st.sampled_from(["", "+", "-"]), digits, st.none() | digits, st.sampled_from(sorted(ALL_SUFFIXES)))
def test_any_amount_is_exact_to_a_billionth_away_from_zero_and_bounded(
    sign: str, whole: str, fraction: str | None, suffix: str
) -> None:
    got = quantity.parse(f"{sign}{whole}{'.' + fraction if fraction is not None else ''}{suffix}")
    exact = (Fraction(int(whole)) + Fraction(int(fraction or 0), 10 ** len(fraction or ""))) * ALL_SUFFIXES[
        suffix
    ]
    amount = abs(Fraction(got.nano, 10**9))
    rounded = Fraction(-(-exact // NANO)) * NANO
    assert amount == (min(rounded, Fraction(MOST)) if suffix.endswith("i") else rounded)
    assert got.nano == 0 or (got.nano < 0) == (sign == "-")


@settings(max_examples=400)
@given(st.text("0123456789.+-eEinumkKMGTP²٣ \0", max_size=12))
def test_any_text_is_a_quantity_with_a_canonical_form_or_an_error(text: str) -> None:
    try:
        shown = quantity.canonical(text)
    except quantity.QuantityError:
        return
    assert quantity.canonical(shown) == shown
    assert quantity.parse(shown) == quantity.parse(text)
