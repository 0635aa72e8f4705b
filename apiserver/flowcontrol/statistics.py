"""What is counted of one flow schema in one priority level: a few additions for each request."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

WAIT_S = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
EXECUTION_S = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
SEATS = (1, 2, 4, 10)


class Histogram:
    """Cells of `bounds`, one for what is beyond, and the sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.cells = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.cells[bisect_left(self.bounds, value)] += 1
        self.sum += value


@dataclass(slots=True)
class Counts:
    dispatched: int = 0
    waiting: int = 0
    running: int = 0
    seats: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    waited: Histogram = field(default_factory=lambda: Histogram(WAIT_S))
    ran: Histogram = field(default_factory=lambda: Histogram(EXECUTION_S))
    widths: Histogram = field(default_factory=lambda: Histogram(SEATS))
