"""What is counted of every request: a few additions each, under labels that no client can multiply.

Names and labels are upstream's, so that dashboards and alerts written for a kube-apiserver find them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from apiserver.histogram import Histogram
from apiserver.http.request_info import RequestInfo

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

# fmt: off
BUCKETS_S = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
             20.0, 30.0, 45.0, 60.0)
# fmt: on
SIZES_BYTES = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
_READS = frozenset({"GET", "HEAD"})
_VERBS = {
    "get": "GET",
    "list": "LIST",
    "watch": "WATCH",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "apply": "APPLY",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
    "connect": "CONNECT",
}
_PATH_VERBS = {
    "get": "GET",
    "head": "GET",
    "post": "POST",
    "put": "PUT",
    "delete": "DELETE",
    "patch": "PATCH",
}
_CONNECTS = frozenset({"exec", "attach", "portforward", "proxy"})
_LABELS = ["verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component"]
_COMPONENT = "apiserver"


class Key(NamedTuple):
    """`verb` is upstream's word, such as LIST; `dry_run` "" or "All"."""

    verb: str
    dry_run: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    scope: str = ""


IsServed = Callable[[str, str, str, str], bool]


def key_of(info: RequestInfo, *, dry_run: bool, applies: bool) -> Key:
    tried = "All" if dry_run else ""
    if not info.is_resource:
        return Key(_PATH_VERBS.get(info.verb, "OTHER"), tried)
    verb = "apply" if applies else "connect" if info.subresource in _CONNECTS else info.verb
    if info.name or info.verb == "create":
        scope = "resource"
    else:
        scope = "namespace" if info.namespace else "cluster"
    shown = _VERBS.get(verb, "OTHER")
    return Key(shown, tried, info.group, info.version, info.resource, info.subresource, scope)


class Requests:
    """`is_served(group, version, resource, subresource)`: others are counted together, or anybody could fill the memory."""

    def __init__(self, is_served: IsServed) -> None:
        self._is_served = is_served
        self._known: dict[Key, Key] = {}
        self._codes: dict[tuple[Key, int], int] = {}
        self._seconds: dict[Key, Histogram] = {}
        self._own_seconds: dict[Key, Histogram] = {}
        self._sizes: dict[Key, Histogram] = {}
        self._terminated: Counter[tuple[Key, int]] = Counter()
        self.long_running: Counter[Key] = Counter()
        self.in_flight = {"mutating": 0, "readOnly": 0}

    def begin(self, method: str) -> None:
        self.in_flight["readOnly" if method in _READS else "mutating"] += 1

    def end(self, method: str) -> None:
        self.in_flight["readOnly" if method in _READS else "mutating"] -= 1

    def begin_long(self, key: Key) -> None:
        self.long_running[self._plain(key)] += 1

    def end_long(self, key: Key, code: int) -> None:
        key = self._plain(key)
        self.long_running[key] -= 1
        at = (key, code)
        self._codes[at] = self._codes.get(at, 0) + 1

    def record(self, key: Key, code: int, elapsed_s: float, waited_s: float, size: int) -> None:
        """`waited_s` of it was spent in a queue of flow control; `size` of the answer's body."""
        key = self._known.get(key) or self._plain(key)
        at = (key, code)
        self._codes[at] = self._codes.get(at, 0) + 1
        seconds = self._seconds.get(key)
        if seconds is None:
            seconds = self._seconds[key] = Histogram(BUCKETS_S)
            self._own_seconds[key] = Histogram(BUCKETS_S)
            self._sizes[key] = Histogram(SIZES_BYTES)
        seconds.add(elapsed_s)
        self._own_seconds[key].add(elapsed_s - waited_s)
        self._sizes[key].add(size)

    def terminate(self, key: Key, code: int) -> None:
        """Refused to defend the server, not because of what was asked."""
        self._terminated[self._plain(key), code] += 1

    def _plain(self, key: Key) -> Key:
        known = self._known.get(key)
        if known is None:
            served = not key.resource or self._is_served(*key[2:6])
            known = key if served else Key(key.verb, key.dry_run)
            if served:
                self._known[key] = known
        return known

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        total = CounterMetricFamily(
            "apiserver_request", "Requests by verb, resource and answer.", labels=[*_LABELS, "code"]
        )
        for (key, code), count in self._codes.items():
            total.add_metric([*key, _COMPONENT, str(code)], count)
        yield total
        seconds = HistogramMetricFamily(
            "apiserver_request_duration_seconds", "Response latency in seconds.", labels=_LABELS
        )
        own = HistogramMetricFamily(
            "apiserver_request_sli_duration_seconds",
            "Response latency in seconds without the time in flow control's queues.",
            labels=_LABELS,
        )
        sizes = HistogramMetricFamily("apiserver_response_sizes", "Size of answers in bytes.", labels=_LABELS)
        for key in self._seconds:
            labels = [*key, _COMPONENT]
            self._seconds[key].show(seconds, labels)
            self._own_seconds[key].show(own, labels)
            if key.verb in ("GET", "LIST"):
                self._sizes[key].show(sizes, labels)
        yield from (seconds, own, sizes)
        terminated = CounterMetricFamily(
            "apiserver_request_terminations",
            "Requests that were refused in self-defense.",
            labels=[*_LABELS, "code"],
        )
        for (key, code), count in self._terminated.items():
            terminated.add_metric([*key, _COMPONENT, str(code)], count)
        long_running = GaugeMetricFamily(
            "apiserver_longrunning_requests", "Open watches, logs and sessions.", labels=_LABELS
        )
        for key, count in self.long_running.items():
            long_running.add_metric([*key, _COMPONENT], count)
        served = GaugeMetricFamily(
            "apiserver_current_inflight_requests", "Requests being served.", labels=["request_kind"]
        )
        for kind, count in self.in_flight.items():
            served.add_metric([kind], count)
        yield from (terminated, long_running, served)
