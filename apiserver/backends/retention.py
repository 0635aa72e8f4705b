"""How much history a backend keeps: a pure decision over marks of time, revisions and bytes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MARKS = 64  # points in time remembered over `max_age_s`


@dataclass(frozen=True, slots=True)
class Retention:
    """History is forgotten as soon as one bound is passed; the newest `min_revisions` always stay.

    `max_bytes` bounds live values and history together. None switches a bound off.
    """

    max_age_s: float | None = 24 * 3600.0
    max_revisions: int | None = 250_000
    max_bytes: int | None = 512 << 20
    min_revisions: int = 1_000


class HistoryAge:
    """Remembers when revisions were written, coarsely, and says up to where to compact."""

    def __init__(self, retention: Retention) -> None:
        self._retention = retention
        self._marks: deque[tuple[float, int]] = deque()  # (time, revision that was newest then)

    def mark(self, now: float, revision: int) -> None:
        every_s = (self._retention.max_age_s or 0) / MARKS
        if not self._marks or now - self._marks[-1][0] >= every_s:
            self._marks.append((now, revision))

    @property
    def marks(self) -> list[tuple[float, int]]:
        return list(self._marks)

    def remember(self, marks: list[tuple[float, int]]) -> None:
        """Takes over what another has marked, where it goes back further."""
        if marks and (not self._marks or marks[0] < self._marks[0]):
            self._marks = deque(marks)

    def plan_compaction(self, now: float, newest: int, oldest: int, used_bytes: int) -> int:
        """The revision to compact to, 0 for none. Moves in steps of a tenth, so that it is rarely asked for."""
        keep = self._retention
        target = 0
        if keep.max_age_s is not None:
            while self._marks and self._marks[0][0] < now - keep.max_age_s:
                target = self._marks.popleft()[1]
        count = newest - oldest
        if keep.max_revisions is not None and count > keep.max_revisions * 1.1:
            target = max(target, newest - keep.max_revisions)
        if keep.max_bytes is not None and used_bytes > keep.max_bytes:
            target = max(target, oldest + count // 10)
        target = min(target, newest - keep.min_revisions)
        return target if target > oldest else 0
