"""What is counted of every request: a few additions each, under labels that no client can multiply.

Names and labels are upstream's, so that dashboards and alerts written for a kube-apiserver find them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

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


# verb in upstream's words, such as LIST; "" or "All" for a dry run; group, version, resource, subresource; scope
Key = tuple[str, str, str, str, str, str, str]
IsServed = Callable[[str, str, str, str], bool]


def key_of(info: RequestInfo, *, dry_run: bool, applies: bool) -> Key:
    tried = "All" if dry_run else ""
    if not info.is_resource:
        return (_PATH_VERBS.get(info.verb, "OTHER"), tried, "", "", "", "", "")
    verb = "apply" if applies else "connect" if info.subresource in _CONNECTS else info.verb
    if info.name or info.verb == "create":
        scope = "resource"
    else:
        scope = "namespace" if info.namespace else "cluster"
    shown = _VERBS.get(verb, "OTHER")
    return (shown, tried, info.group, info.version, info.resource, info.subresource, scope)


class Row:
    """What was counted under one key."""

    __slots__ = ("codes", "own_seconds", "seconds", "sizes")

    def __init__(self, *, sized: bool) -> None:
        self.codes: dict[int, int] = {}
        self.seconds = Histogram(BUCKETS_S)
        self.own_seconds = Histogram(BUCKETS_S)
        self.sizes = Histogram(SIZES_BYTES) if sized else None


class Requests:
    """`is_served(group, version, resource, subresource)`: others are counted together, or anybody could fill the memory."""

    def __init__(self, is_served: IsServed) -> None:
        self._is_served = is_served
        self._rows: dict[Key, Row] = {}
        self._terminated: Counter[tuple[Key, int]] = Counter()
        self.long_running: Counter[Key] = Counter()
        self.in_flight = {"mutating": 0, "readOnly": 0}

    def begin(self, method: str) -> None:
        self.in_flight["readOnly" if method in _READS else "mutating"] += 1

    def end(self, method: str) -> None:
        self.in_flight["readOnly" if method in _READS else "mutating"] -= 1

    def begin_long(self, key: Key) -> Key:
        """The key under which it is counted, to be ended by: what is served may be another when it ends."""
        key = self._plain(key)
        self.long_running[key] += 1
        return key

    def end_long(self, key: Key, code: int) -> None:
        self.long_running[key] -= 1
        codes = (self._rows.get(key) or self._row(key)).codes
        codes[code] = codes.get(code, 0) + 1

    def record(self, key: Key, code: int, elapsed_s: float, waited_s: float, size: int) -> None:
        """`waited_s` of it was spent in a queue of flow control; `size` of the answer's body."""
        row = self._rows.get(key) or self._row(key)
        codes, seconds, own, sizes = row.codes, row.seconds, row.own_seconds, row.sizes
        codes[code] = codes.get(code, 0) + 1
        at = bisect_left(BUCKETS_S, elapsed_s)
        seconds.cells[at] += 1
        seconds.sum += elapsed_s
        if waited_s:
            own.add(elapsed_s - waited_s)
        else:
            own.cells[at] += 1
            own.sum += elapsed_s
        if sizes is not None:
            sizes.cells[bisect_left(SIZES_BYTES, size)] += 1
            sizes.sum += size

    def terminate(self, key: Key, code: int) -> None:
        """Refused to defend the server, not because of what was asked."""
        self._terminated[self._plain(key), code] += 1

    def _plain(self, key: Key) -> Key:
        if key in self._rows or not key[4] or self._is_served(*key[2:6]):
            return key
        return (key[0], key[1], "", "", "", "", "")

    def _row(self, key: Key) -> Row:
        key = self._plain(key)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = Row(sized=key[0] in ("GET", "LIST"))
        return row

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        total = CounterMetricFamily(
            "apiserver_request", "Requests by verb, resource and answer.", labels=[*_LABELS, "code"]
        )
        for key, row in self._rows.items():
            for code, count in row.codes.items():
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
        for key, row in self._rows.items():
            if not any(row.seconds.cells):
                continue  # of long-running requests only
            labels = [*key, _COMPONENT]
            row.seconds.show(seconds, labels)
            row.own_seconds.show(own, labels)
            if row.sizes is not None:
                row.sizes.show(sizes, labels)
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
