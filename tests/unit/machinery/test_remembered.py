"""Answers that are believed for a while."""

from __future__ import annotations

from machinery.remembered import Remembered


def test_answer_is_known_until_its_time_is_over() -> None:
    known: Remembered[str, int] = Remembered(2)
    known.put("a", 1, until=10.0)
    assert known.get("a", 9.9) == 1
    assert known.get("a", 10.0) is None and len(known) == 0


def test_first_one_goes_where_there_are_too_many() -> None:
    known: Remembered[str, int] = Remembered(2)
    known.put("a", 1, until=10.0)
    known.put("b", 2, until=10.0)
    known.put("a", 3, until=10.0)
    known.put("c", 4, until=10.0)
    assert [known.get(key, 0.0) for key in "abc"] == [3, None, 4] and len(known) == 2
