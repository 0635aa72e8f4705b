"""Answers that are believed for a while, so that who gives them is not asked again and again.

Bounded: where there are too many, the one that was put in first goes, so that a flood of new keys costs memory nothing and
an old key one more question. Times are the caller's, by whatever clock it judges validity.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[K, tuple[V, float]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: K, now: float) -> V | None:
        """None for what is not known, or no longer."""
        found = self._known.get(key)
        if found is None:
            return None
        if now < found[1]:
            return found[0]
        del self._known[key]
        return None

    def put(self, key: K, value: V, until: float) -> None:
        self._known.pop(key, None)
        if len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[key] = (value, until)
