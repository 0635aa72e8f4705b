"""What is counted of one flow schema in one priority level: a few additions for each request."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from apiserver.histogram import Histogram

WAIT_S = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
EXECUTION_S = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
SEATS = (1, 2, 4, 10)


@dataclass(slots=True)
class Counts:
    dispatched: int = 0
    immediate: int = 0  # of these without any wait
    narrow: int = 0  # arrived with one seat
    waiting: int = 0
    running: int = 0
    seats: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    waited: Histogram = field(default_factory=lambda: Histogram(WAIT_S))
    ran: Histogram = field(default_factory=lambda: Histogram(EXECUTION_S))
    widths: Histogram = field(default_factory=lambda: Histogram(SEATS))
