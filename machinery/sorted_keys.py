"""Keys in order, where many may come between two looks at the order.

Putting one key into a list of tens of thousands moves half of it. So keys that are added wait aside, and come into the list
when somebody looks: a few one by one, many by one sort, which takes two sorted runs in one pass.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

_FEW = 16


class SortedKeys:
    """Each key at most once: adding one that is there is the caller's mistake."""

    __slots__ = ("_new", "_order")

    def __init__(self, in_order: Iterable[str] = ()) -> None:
        self._order = list(in_order)
        self._new: list[str] = []

    def __len__(self) -> int:
        return len(self._order) + len(self._new)

    def add(self, key: str) -> None:
        self._new.append(key)

    def discard(self, key: str) -> None:
        """Also one that is not there."""
        order = self.in_order()
        at = bisect_left(order, key)
        if at < len(order) and order[at] == key:
            del order[at]

    def in_order(self) -> list[str]:
        """All keys. The list is the set's own: for looking, and only until the next change."""
        new = self._new
        if new:
            if len(new) <= _FEW:
                for key in new:
                    insort(self._order, key)
            else:
                self._order += new
                self._order.sort()
            self._new = []
        return self._order
