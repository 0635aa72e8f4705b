"""Times as text: RFC 3339 from the year 1 on, at any distance from 1970."""

from __future__ import annotations

import pytest

from machinery.clock import ZERO_TIME_S, parse_rfc3339, rfc3339, rfc3339_micro, rfc3339_of_micros


@pytest.mark.parametrize(
    ("epoch_s", "text"),
    [
        (ZERO_TIME_S, "0001-01-01T00:00:00Z"),
        (-30_610_224_000.5, "0999-12-31T23:59:59Z"),
        (-30_610_224_000, "1000-01-01T00:00:00Z"),
        (-0.5, "1969-12-31T23:59:59Z"),
        (1_700_000_000.7, "2023-11-14T22:13:20Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
    ],
)
def test_times_of_any_year_are_written_in_twenty_letters(epoch_s: float, text: str) -> None:
    assert rfc3339(epoch_s) == text
    assert rfc3339(parse_rfc3339(text)) == text


def test_microseconds_before_1970_count_forward() -> None:
    assert rfc3339_micro(-0.000001) == "1969-12-31T23:59:59.999999Z"
    assert rfc3339_micro(-30_610_224_000.5) == "0999-12-31T23:59:59.500000Z"


def test_microseconds_of_the_year_one_are_exact() -> None:
    assert rfc3339_of_micros(ZERO_TIME_S * 10**6 + 2_000_001) == "0001-01-01T00:00:02.000001Z"


@pytest.mark.parametrize("epoch_s", [ZERO_TIME_S - 1, 253_402_300_800])
def test_times_beyond_the_calendar_are_refused(epoch_s: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        rfc3339(epoch_s)
