"""A histogram that costs one search and two additions, and how it is shown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.metrics_core import HistogramMetricFamily


class Histogram:
    """Cells of `bounds`, one for what is beyond, and the sum."""

    __slots__ = ("bounds", "cells", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.cells = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.cells[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def show(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        buckets, total = [], 0
        for bound, cell in zip((*self.bounds, "+Inf"), self.cells, strict=True):
            total += cell
            shown = bound if isinstance(bound, str) else f"{bound:g}"
            buckets.append((shown, float(total)))
        family.add_metric(labels, buckets, self.sum)
