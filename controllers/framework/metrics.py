"""What is counted per reconciler, and how Prometheus reads it.

Counting is plain arithmetic, so that a simulation need not load prometheus_client; `collector` reads
the counts when it is scraped. Names follow controller-runtime and client-go's workqueue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from machinery.workqueue import WorkQueue

_BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(slots=True)
class ReconcilerMetrics:
    """`results` counts success, requeue_after, error and stale (the cache was behind)."""

    results: dict[str, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_BUCKETS_S) + 1))
    total_s: float = 0.0
    active: int = 0

    def observe(self, result: str, took_s: float) -> None:
        self.results[result] = self.results.get(result, 0) + 1
        self.total_s += took_s
        for index, bound in enumerate(_BUCKETS_S):
            if took_s <= bound:
                self.buckets[index] += 1
                return
        self.buckets[-1] += 1


class Collector:
    """A prometheus_client collector over live counts: `registry.register(Collector(runner.metrics, ...))`."""

    def __init__(
        self, metrics: Mapping[str, ReconcilerMetrics], queues: Mapping[str, WorkQueue[Any]]
    ) -> None:
        self._metrics = metrics
        self._queues = queues

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        results = CounterMetricFamily(
            "controller_runtime_reconcile", "Reconciles by result", labels=["controller", "result"]
        )
        errors = CounterMetricFamily(
            "controller_runtime_reconcile_errors", "Reconciles that raised", labels=["controller"]
        )
        times = HistogramMetricFamily(
            "controller_runtime_reconcile_time_seconds", "Time per reconcile", labels=["controller"]
        )
        active = GaugeMetricFamily(
            "controller_runtime_active_workers", "Reconciles under way", labels=["controller"]
        )
        for name, metrics in self._metrics.items():
            for result, count in sorted(metrics.results.items()):
                results.add_metric([name, result], count)
            errors.add_metric([name], metrics.results.get("error", 0))
            active.add_metric([name], metrics.active)
            buckets, total = [], 0
            for bound, count in zip((*map(str, _BUCKETS_S), "+Inf"), metrics.buckets, strict=True):
                total += count
                buckets.append((bound, total))
            times.add_metric([name], buckets, metrics.total_s)
        yield from (results, errors, times, active)
        yield from self._queue_metrics(CounterMetricFamily, GaugeMetricFamily)

    def _queue_metrics(self, counter: Any, gauge: Any) -> Iterator[Any]:
        depth = gauge("workqueue_depth", "Keys in line", labels=["name"])
        unfinished = gauge("workqueue_unfinished_work_seconds", "Work begun, not done", labels=["name"])
        adds = counter("workqueue_adds", "Keys added", labels=["name"])
        retries = counter("workqueue_retries", "Keys added again after an error", labels=["name"])
        for name, queue in self._queues.items():
            depth.add_metric([name], len(queue))
            unfinished.add_metric([name], queue.unfinished_s())
            adds.add_metric([name], queue.counters.adds)
            retries.add_metric([name], queue.counters.retries)
        yield from (depth, unfinished, adds, retries)
