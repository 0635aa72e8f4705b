"""How often the encryption configuration was read again, and which one applies, under upstream's names
(apiserver_encryption_config_controller_*). Servers of one cluster should show the same hash before keys are rotated."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

_PREFIX = "apiserver_encryption_config_controller_"


class ReloadFigures:
    """`server` is this server's name, of which a hash is shown."""

    def __init__(self, server: str) -> None:
        self._server = _hash(server.encode())
        self._config = ""
        self._times: dict[str, tuple[int, float]] = {}  # by outcome: how often, when last

    def applies(self, content: bytes) -> None:
        self._config = _hash(content)

    def reloaded(self, outcome: str, now: float) -> None:
        """`outcome`: success or failure."""
        self._times[outcome] = (self._times.get(outcome, (0, 0.0))[0] + 1, now)

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        labels = ["status", "apiserver_id_hash"]
        total = CounterMetricFamily(
            f"{_PREFIX}automatic_reloads",
            "Reload successes and failures of the encryption configuration.",
            labels=labels,
        )
        last = GaugeMetricFamily(
            f"{_PREFIX}automatic_reload_last_timestamp_seconds",
            "When it was reloaded last, or could not be.",
            labels=labels,
        )
        for outcome, (times, at) in sorted(self._times.items()):
            total.add_metric([outcome, self._server], times)
            last.add_metric([outcome, self._server], at)
        config = GaugeMetricFamily(
            f"{_PREFIX}last_config_info",
            "The encryption configuration that applies.",
            labels=["apiserver_id_hash", "hash"],
        )
        config.add_metric([self._server, self._config], 1)
        yield from (total, last, config)


def _hash(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}" if content else ""
