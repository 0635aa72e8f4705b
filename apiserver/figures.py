"""Where /metrics of an API server takes its figures from, besides the requests that it counts itself.

Each source is asked when somebody scrapes, never before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from apiserver.aggregation.remote import Remotes
from apiserver.backends.backend import Backend
from apiserver.background import Background, restart_family
from apiserver.engine.stores import Stores
from apiserver.flowcontrol.flow import FlowControl
from apiserver.http.metrics import Metrics, build_family, remote_families, size_families, store_families
from apiserver.http.paths import version_info
from apiserver.http.watch_stream import Streams

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


def tell_figures(
    metrics: Metrics,
    *,
    backend: Backend,
    stores: Stores,
    background: Background,
    flow: FlowControl,
    remotes: Remotes,
    streams: Streams,
) -> None:
    def backgrounds() -> Iterator[Background]:
        yield background
        if backend.background is not None:
            yield backend.background
        for _, store in stores.all():
            yield store.background

    def flows() -> Iterator[Metric]:
        from apiserver.flowcontrol.report import collect

        return collect(flow)

    metrics.source(flows)
    metrics.source(lambda: restart_family(backgrounds()))
    metrics.source(lambda: store_families(stores.all()))
    metrics.source(lambda: size_families(backend.figures()))
    metrics.source(lambda: remote_families(remotes))
    metrics.source(lambda: build_family(version_info()))
    metrics.gauge("apiserver_open_streams", "Open watches and logs.", lambda: float(len(streams)))
