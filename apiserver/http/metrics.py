"""What the server counts about requests, and /metrics.

On the hot path a count is one dict update; prometheus-client is imported, and its text rendered, only when somebody
asks for /metrics.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_Key = tuple[str, str, str, str, str]  # verb, group, version, resource, subresource
Gauge = Callable[[], float]
_READS = frozenset({"GET", "HEAD"})


class Requests:
    """Counters and latencies by verb and resource."""

    def __init__(self) -> None:
        self._codes: dict[tuple[_Key, int], int] = {}
        self._seconds: dict[_Key, list[float]] = {}
        self.in_flight = {"mutating": 0, "readOnly": 0}

    def begin(self, method: str) -> None:
        self.in_flight["readOnly" if method in _READS else "mutating"] += 1

    def end(self, method: str) -> None:
        self.in_flight["readOnly" if method in _READS else "mutating"] -= 1

    def record(self, key: _Key, code: int, elapsed_s: float, *, long_running: bool) -> None:
        at = (key, code)
        self._codes[at] = self._codes.get(at, 0) + 1
        if long_running:
            return
        row = self._seconds.get(key)
        if row is None:
            # one cell per bucket, one for what is slower, then the sum
            row = self._seconds[key] = [0.0] * (len(BUCKETS_S) + 2)
        row[bisect_left(BUCKETS_S, elapsed_s)] += 1
        row[-1] += elapsed_s

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        labels = ["verb", "group", "version", "resource", "subresource"]
        total = CounterMetricFamily(
            "apiserver_request", "Requests by verb, resource and answer.", labels=[*labels, "code"]
        )
        for (key, code), count in self._codes.items():
            total.add_metric([_verb(key[0]), *key[1:], str(code)], count)
        yield total
        seconds = HistogramMetricFamily(
            "apiserver_request_duration_seconds", "Response latency in seconds.", labels=labels
        )
        for key, row in self._seconds.items():
            buckets, so_far = [], 0.0
            for bound, cell in zip(BUCKETS_S, row, strict=False):
                so_far += cell
                buckets.append((str(bound), so_far))
            buckets.append(("+Inf", so_far + row[-2]))
            seconds.add_metric([_verb(key[0]), *key[1:]], buckets, row[-1])
        yield seconds
        served = GaugeMetricFamily(
            "apiserver_current_inflight_requests", "Requests being served.", labels=["request_kind"]
        )
        for kind, count in self.in_flight.items():
            served.add_metric([kind], count)
        yield served


def _verb(verb: str) -> str:
    return verb.upper() if verb != "deletecollection" else "DELETECOLLECTION"


class Metrics:
    """Everything /metrics shows: requests, named gauges, and the process's own figures."""

    def __init__(self) -> None:
        self.requests = Requests()
        self._gauges: dict[str, tuple[str, Gauge]] = {}
        self._sources: list[Callable[[], Iterator[Metric]]] = []
        self._registry: Any = None

    def gauge(self, name: str, text: str, value: Gauge) -> None:
        self._gauges[name] = (text, value)

    def source(self, collect: Callable[[], Iterator[Metric]]) -> None:
        """Families that somebody else counts."""
        self._sources.append(collect)

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import GaugeMetricFamily

        yield from self.requests.collect()
        for source in self._sources:
            yield from source()
        for name, (text, value) in self._gauges.items():
            yield GaugeMetricFamily(name, text, value=value())

    def render(self) -> tuple[bytes, bytes]:
        """(body, content type)"""
        from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        if self._registry is None:
            registry = CollectorRegistry(auto_describe=False)
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
            GCCollector(registry=registry)
            registry.register(self)
            self._registry = registry
        return generate_latest(self._registry), CONTENT_TYPE_LATEST.encode()
