"""What the scheduler counts, as plain numbers; `collect` turns them into Prometheus families when asked.

Names are kube-scheduler's, so that existing dashboards work.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_BUCKETS_S = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 5.0, 10.0)


class Histogram:
    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS_S) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(_BUCKETS_S, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        seen, rows = 0, []
        for bound, count in zip([*map(str, _BUCKETS_S), "+Inf"], self.counts, strict=True):
            seen += count
            rows.append((bound, float(seen)))
        return rows


class Metrics:
    """`attempt` results are scheduled, unschedulable and error."""

    def __init__(self) -> None:
        self.attempts: dict[str, Histogram] = {}
        self.waited = Histogram()
        self.tries = 0

    def attempt(self, result: str, seconds: float) -> None:
        self.attempts.setdefault(result, Histogram()).observe(seconds)

    def scheduled(self, waited_s: float, tries: int) -> None:
        self.waited.observe(waited_s)
        self.tries += tries


class Collector:
    """A prometheus_client collector over live numbers."""

    def __init__(self, metrics: Metrics, queue_counts: Callable[[], Mapping[str, int]]) -> None:
        self._metrics = metrics
        self._queue_counts = queue_counts

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        attempts = CounterMetricFamily(
            "scheduler_schedule_attempts", "Attempts to place a pod, by result", labels=["result"]
        )
        duration = HistogramMetricFamily(
            "scheduler_scheduling_attempt_duration_seconds", "Time of one decision", labels=["result"]
        )
        for result, histogram in sorted(self._metrics.attempts.items()):
            attempts.add_metric([result], sum(histogram.counts))
            duration.add_metric([result], histogram.cumulative(), histogram.total)
        yield attempts
        yield duration
        waited = HistogramMetricFamily(
            "scheduler_pod_scheduling_sli_duration_seconds",
            "From the pod's arrival in the queue to its binding",
        )
        waited.add_metric([], self._metrics.waited.cumulative(), self._metrics.waited.total)
        yield waited
        pending = GaugeMetricFamily(
            "scheduler_pending_pods", "Pods without a node, by place", labels=["queue"]
        )
        for place, count in sorted(self._queue_counts().items()):
            pending.add_metric([place], count)
        yield pending
