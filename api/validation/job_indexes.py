"""Texts that name indexes of an indexed job: `0,2-4,7`, in increasing order and below the number of completions."""

from __future__ import annotations

from collections.abc import Sequence

from machinery import integers
from machinery.field_errors import quote

Interval = tuple[int, int]


class NotIndexes(ValueError):
    """Why a text names no indexes, in upstream's words."""


def intervals(text: str, completions: int) -> list[Interval]:
    """The first and the last of each interval. Raises NotIndexes; an empty text names none."""
    found: list[Interval] = []
    for part in text.split(",") if text else ():
        first, last = _interval(part, completions)
        if found and found[-1][1] >= first:
            raise NotIndexes(f"non-increasing order, previous: {found[-1][1]}, current: {first}")
        found.append((first, last))
    return found


def _interval(part: str, completions: int) -> Interval:
    ends = part.split("-")
    if len(ends) > 2:
        raise NotIndexes(
            f"the fragment {quote(part)} violates the requirement that an index interval can have at most two parts "
            "separated by '-'"
        )
    numbers = []
    for end in ends:
        number = integers.parse(end)
        if number is None:
            raise NotIndexes(f"cannot convert string to integer for index: {quote(end)}")
        if number >= completions:
            raise NotIndexes(f"too large index: {quote(end)}")
        numbers.append(number)
    if len(numbers) == 2 and numbers[0] >= numbers[1]:
        raise NotIndexes(f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}")
    return numbers[0], numbers[-1]


def first_shared(one: str, other: str, completions: int) -> int | None:
    """The first index that both texts name. Parts that cannot be read name none."""
    ours, theirs = _readable(one, completions), _readable(other, completions)
    shared = [max(a, c) for a, b in ours for c, d in theirs if a <= d and c <= b]
    return min(shared, default=None)


def _readable(text: str, completions: int) -> Sequence[Interval]:
    found = []
    for part in text.split(",") if text else ():
        try:
            found.append(_interval(part, completions))
        except NotIndexes:
            continue
    return found
