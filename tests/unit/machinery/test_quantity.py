"""Quantities against upstream's canonical forms."""

from __future__ import annotations

import pytest

from machinery import quantity
from machinery.quantity import Quantity, QuantityError


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("0Ki", "0"),
        ("-0", "0"),
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("0.5", "500m"),
        ("1e3", "1e3"),
        ("1000e0", "1e3"),
        ("12e6", "12e6"),
        ("1E3", "1E3"),
        ("100", "100"),
        ("1000", "1k"),
        ("1500", "1500"),
        ("1.5k", "1500"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("0.5Mi", "512Ki"),
        ("1Ki", "1Ki"),
        ("1000Ki", "1000Ki"),
        ("1023", "1023"),
        ("512Mi", "512Mi"),
        ("1.", "1."),
        (".5", "500m"),
        ("+1", "+1"),
        ("-1.5", "-1500m"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("1.0000000001", "1000000001n"),
        ("1u", "1u"),
        ("1e-3", "1e-3"),
        ("0.001e3", "1"),
        ("1E", "1E"),
        ("100E", "100E"),
        ("8Ei", "9223372036854775807"),
        ("1e40", "10e39"),
        ("0.0001Ki", "102400u"),
        ("1e-40", "1e-9"),
    ],
)
def test_text_has_its_canonical_form(text: str, canonical: str) -> None:
    assert quantity.canonical(text) == canonical
    assert quantity.canonical(canonical) == canonical


@pytest.mark.parametrize("text", ["", "abc", "1.2.3", "1Kib", "1KB", "1 Gi", " 1", "1e", "--1", "1mm", "1i"])
def test_text_that_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(QuantityError):
        quantity.parse(text)
    assert not quantity.is_quantity(text)


def test_values_round_away_from_zero() -> None:
    assert quantity.value("1.1") == 2
    assert quantity.value("-1.1") == -2
    assert quantity.value("2") == 2
    assert quantity.value("-2") == -2
    assert quantity.value("1Gi") == 2**30
    assert quantity.milli_value("0.0001") == 1
    assert quantity.milli_value("250m") == 250
    assert quantity.milli_value(2) == 2000
    assert quantity.canonical(0.5) == "500m"


def test_arithmetic_keeps_the_first_notation_unless_it_is_zero() -> None:
    assert str(quantity.parse("1Gi") + quantity.parse("1G")) == "2073741824"
    assert str(quantity.parse("0") + quantity.parse("1Ki")) == "1Ki"
    assert str(quantity.parse("1") - quantity.parse("250m")) == "750m"
    assert str(quantity.total(["100m", "0.9"])) == "1"
    assert quantity.parse("1Ki") == quantity.parse("1024")
    assert quantity.parse("1m") < quantity.parse("1")
    assert str(quantity.of_milli(1500)) == "1500m"
    assert str(quantity.of_units(2048, "BinarySI")) == "2Ki"
    assert not Quantity(0)
