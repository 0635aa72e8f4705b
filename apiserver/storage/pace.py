"""When the readers of a change are woken: at once, or a little later together with the next changes.

A wake-up costs a reader of a watch its share of a TLS record, a system call and a turn of the loop, whether it carries one event
or five. So many readers of frequent changes are woken less often and find more; few readers, or those of rare changes, are
woken at once. The longest wait is that of `MAX_GAP_S`, which five events of 3 KiB, a TLS record full, take at 100 a second.
"""

from __future__ import annotations

GAP_PER_READER_S = 40e-6  # about twice what waking one costs, so that half of the time is left for all else
MIN_GAP_S = 1e-3  # below it a timer costs more than it saves
MAX_GAP_S = 0.040
_WEIGHT = 0.25  # of the newest interval in the mean


def plan_wait(readers: int, since_s: float, every_s: float) -> float:
    """Seconds to wait with waking `readers`, which were last woken `since_s` ago, of changes that come every `every_s`.

    0 where no further change is to be expected while waiting: it would be late for nothing."""
    gap_s = min(readers * GAP_PER_READER_S, MAX_GAP_S)
    left_s = gap_s - since_s
    return left_s if gap_s >= MIN_GAP_S and left_s > every_s else 0.0


class Interval:
    """The mean time between changes, lately."""

    __slots__ = ("_last_s", "mean_s")

    def __init__(self) -> None:
        self.mean_s = 2 * MAX_GAP_S
        self._last_s = float("-inf")

    def heard(self, now_s: float) -> None:
        newest_s = min(now_s - self._last_s, 2 * MAX_GAP_S)
        self._last_s = now_s
        self.mean_s += (newest_s - self.mean_s) * _WEIGHT
