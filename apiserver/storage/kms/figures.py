"""What is counted of KMS plugins, under upstream's names (apiserver_envelope_encryption_*).

One for all plugins of a process. Keys are shown by their hashes; how many of them is bounded, the longest unused go first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from apiserver.histogram import Histogram
from apiserver.storage.kms.messages import key_id_hash

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

FROM_STORAGE, TO_STORAGE = "from_storage", "to_storage"
_BOUNDS_S = tuple(0.0001 * 2**n for n in range(20))
_KEYS_MAX = 100
_PREFIX = "apiserver_envelope_encryption_"


class KmsFigures:
    def __init__(self, server: str = "") -> None:
        self._server = key_id_hash(server)
        self._calls: dict[tuple[str, str, str], Histogram] = {}
        self._used: dict[tuple[str, str, str], tuple[int, float]] = {}  # (how often, when last)
        self._told: dict[tuple[str, str], float] = {}
        self._wrong: dict[tuple[str, str], int] = {}
        self._cached: dict[str, int] = {}

    def called(self, plugin: str, method: str, code: str, took_s: float) -> None:
        times = self._calls.get((plugin, method, code))
        if times is None:
            times = self._calls[plugin, method, code] = Histogram(_BOUNDS_S)
        times.add(took_s)

    def used(self, way: str, plugin: str, key_id: str, now: float) -> None:
        """A value was sealed or opened under the key."""
        label = (way, plugin, key_id)
        times, _ = self._used.pop(label, (0, 0.0))
        self._used[label] = (times + 1, now)
        if len(self._used) > _KEYS_MAX:
            del self._used[next(iter(self._used))]

    def told(self, plugin: str, key_id: str, now: float) -> None:
        """The plugin named the key as the one it uses."""
        self._told.pop((plugin, key_id), None)
        self._told[plugin, key_id] = now
        if len(self._told) > _KEYS_MAX:
            del self._told[next(iter(self._told))]

    def wrong_key_id(self, plugin: str, why: str) -> None:
        self._wrong[plugin, why] = self._wrong.get((plugin, why), 0) + 1

    def cached(self, plugin: str, keys: int) -> None:
        self._cached[plugin] = keys

    def forget(self, plugin: str) -> None:
        self._cached.pop(plugin, None)

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        calls = HistogramMetricFamily(
            f"{_PREFIX}kms_operations_latency_seconds",
            "KMS operation duration with gRPC error code status total.",
            labels=["provider_name", "method_name", "grpc_status_code"],
        )
        for labels, times in self._calls.items():
            times.show(calls, labels)
        of_keys = ["transformation_type", "provider_name", "key_id_hash", "apiserver_id_hash"]
        total = CounterMetricFamily(
            f"{_PREFIX}key_id_hash", "Number of times a keyID is used.", labels=of_keys
        )
        last = GaugeMetricFamily(
            f"{_PREFIX}key_id_hash_last_timestamp_seconds", "When a keyID was used last.", labels=of_keys
        )
        for (way, plugin, key_id), (times_used, at) in self._used.items():
            shown = [way, plugin, key_id_hash(key_id), self._server]
            total.add_metric(shown, times_used)
            last.add_metric(shown, at)
        told = GaugeMetricFamily(
            f"{_PREFIX}key_id_hash_status_last_timestamp_seconds",
            "When a keyID was returned last by Status.",
            labels=of_keys[1:],
        )
        for (plugin, key_id), at in self._told.items():
            told.add_metric([plugin, key_id_hash(key_id), self._server], at)
        wrong = CounterMetricFamily(
            f"{_PREFIX}invalid_key_id_from_status",
            "Number of times an invalid keyID is returned by Status.",
            labels=["provider_name", "error"],
        )
        for labels_of_wrong, times_wrong in self._wrong.items():
            wrong.add_metric(labels_of_wrong, times_wrong)
        cached = GaugeMetricFamily(
            f"{_PREFIX}dek_source_cache_size", "Opened data keys at hand.", labels=["provider_name"]
        )
        for plugin, keys in self._cached.items():
            cached.add_metric([plugin], keys)
        yield from (calls, total, last, told, wrong, cached)
