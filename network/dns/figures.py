"""What the DNS counts, under the names that dashboards know of CoreDNS. Counting is plain arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Cached(NamedTuple):
    hits: int
    misses: int
    entries: int


class Figures:
    def __init__(self) -> None:
        self.requests: dict[tuple[str, str], int] = {}  # by protocol and kind of record
        self.responses: dict[str, int] = {}  # by response code
        self.dropped: dict[str, int] = {}  # by why nothing was answered

    def asked(self, protocol: str, kind: str) -> None:
        self.requests[protocol, kind] = self.requests.get((protocol, kind), 0) + 1

    def answered(self, rcode: str) -> None:
        self.responses[rcode] = self.responses.get(rcode, 0) + 1

    def drop(self, why: str) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + 1


class Collector:
    """What client.health asks of a registry: collect()."""

    def __init__(
        self,
        figures: Figures,
        cached: Callable[[], Cached],
        forwarded: Callable[[], dict[tuple[str, str], int]],
    ) -> None:
        self._figures = figures
        self._cached = cached
        self._forwarded = forwarded

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        requests = CounterMetricFamily("coredns_dns_requests", "Questions", labels=["proto", "type"])
        for labels, count in sorted(self._figures.requests.items()):
            requests.add_metric(labels, count)
        yield requests
        responses = CounterMetricFamily(
            "coredns_dns_responses", "Answers, by response code", labels=["rcode"]
        )
        for rcode, count in sorted(self._figures.responses.items()):
            responses.add_metric([rcode], count)
        yield responses
        dropped = CounterMetricFamily("kctl_dns_dropped", "Packets that got no answer", labels=["reason"])
        for why, count in sorted(self._figures.dropped.items()):
            dropped.add_metric([why], count)
        yield dropped
        cached = self._cached()
        yield CounterMetricFamily(
            "coredns_cache_hits", "Answers of others that were remembered", value=cached.hits
        )
        yield CounterMetricFamily("coredns_cache_misses", "Answers that were not", value=cached.misses)
        yield GaugeMetricFamily("coredns_cache_entries", "Answers that are remembered", value=cached.entries)
        forwarded = CounterMetricFamily(
            "coredns_forward_responses", "What the machine's resolvers said", labels=["to", "rcode"]
        )
        for labels, count in sorted(self._forwarded().items()):
            forwarded.add_metric(labels, count)
        yield forwarded
