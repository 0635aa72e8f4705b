"""/metrics: what everybody counts, put together.

prometheus-client is imported, and its text rendered, only when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from api.resource import Resource
from apiserver.aggregation.remote import Remotes
from apiserver.backends.backend import StoreFigures
from apiserver.engine.stores import RunningStore
from apiserver.http.counts import IsServed, Requests

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Gauge = Callable[[], float]


class Metrics:
    """Everything /metrics shows: requests, named gauges, what others count, and the process's own figures."""

    def __init__(self, is_served: IsServed) -> None:
        self.requests = Requests(is_served)
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


def store_families(stores: Iterable[tuple[Resource, RunningStore]]) -> Iterator[Metric]:
    """Objects and watchers of each resource, and how long the backend takes for its writes."""
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    objects = GaugeMetricFamily("apiserver_resource_objects", "Stored objects.", labels=["group", "resource"])
    older = GaugeMetricFamily("apiserver_storage_objects", "Stored objects.", labels=["resource"])
    watchers = GaugeMetricFamily(
        "apiserver_registered_watchers", "Open watches.", labels=["group", "version", "kind"]
    )
    seconds = HistogramMetricFamily(
        "etcd_request_duration_seconds",
        "Latency of the backend's writes, whichever backend it is.",
        labels=["operation", "type"],
    )
    requests = CounterMetricFamily("etcd_requests", "Writes of the backend.", labels=["operation", "type"])
    for resource, store in stores:
        gvr = resource.gvr
        name = f"{gvr.resource}.{gvr.group}" if gvr.group else gvr.resource
        objects.add_metric([gvr.group, gvr.resource], store.objects())
        older.add_metric([name], store.objects())
        watchers.add_metric([gvr.group, gvr.version, resource.kind], store.watched())
        for operation, times in store.times.items():
            times.show(seconds, [operation, name])
            requests.add_metric([operation, name], sum(times.cells))
    yield from (objects, older, watchers, seconds, requests)


def size_families(figures: StoreFigures) -> Iterator[Metric]:
    """What the store takes up, and what was done to make it less."""
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    # There is one, whatever it is called where several are counted.
    size = GaugeMetricFamily(
        "apiserver_storage_size_bytes", "Size of the store's file.", labels=["storage_cluster_id"]
    )
    size.add_metric(["etcd-0"], figures.size_bytes)
    used = GaugeMetricFamily(
        "apiserver_storage_used_bytes", "As much of it as is in use; the rest is used again."
    )
    used.add_metric([], figures.used_bytes)
    times = CounterMetricFamily(
        "apiserver_storage_defragmentations", "How often etcd's file was made smaller.", labels=["result"]
    )
    times.add_metric(["success"], figures.defragmented)
    times.add_metric(["error"], figures.defragmenting_failed)
    stood = CounterMetricFamily(
        "apiserver_storage_defragmentation_seconds", "How long a member of etcd stood still for it."
    )
    stood.add_metric([], figures.defragmenting_s)
    yield from (size, used, times, stood)


def remote_families(remotes: Remotes) -> Iterator[Metric]:
    """Extension API servers that cannot be had."""
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    gone = GaugeMetricFamily(
        "aggregator_unavailable_apiservice", "APIServices that are not available.", labels=["name"]
    )
    for remote in remotes:
        gone.add_metric([remote.name], 0 if remote.available else 1)
    lost = CounterMetricFamily(
        "aggregator_unavailable_apiservice",
        "How often an APIService became unavailable.",
        labels=["name", "reason"],
    )
    for (name, reason), count in sorted(remotes.lost.items()):
        lost.add_metric([name, reason], count)
    yield from (gone, lost)


def build_family(info: dict[str, str]) -> Iterator[Metric]:
    from prometheus_client.metrics_core import GaugeMetricFamily

    words = ("major", "minor", "git_version", "git_commit", "git_tree_state", "build_date", "go_version", "compiler", "platform")  # fmt: skip
    shown = GaugeMetricFamily("kubernetes_build_info", "Which version this is.", labels=list(words))
    shown.add_metric([info[_camel(word)] for word in words], 1)
    yield shown


def _camel(word: str) -> str:
    first, *others = word.split("_")
    return first + "".join(each.capitalize() for each in others)
