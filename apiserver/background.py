"""What the server does beside answering, and what happens when a part of it fails in a way that nobody foresaw.

A server has two sorts of tasks. Those without which its answers would be wrong (the store's feed, caches, who may do what, the
definitions that other servers made) are plain tasks of the server's TaskGroup: one that fails ends the process, which is started again and reads everything
anew. All others (upkeep of objects, checks, logs, files that are read again) go through `Background.keep`: one that fails is told of with
its traceback, counted, and started again after a growing wait, while answers go on.

So whatever is kept here must be able to begin anew: `work()` is called again, and finds what it left.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from client.logs import get_logger
from machinery.clock import Clock
from machinery.supervise import keep_running

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

log = get_logger("background")

Work = Callable[[], Awaitable[None]]


class Background:
    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        self.restarts: Counter[str] = Counter()

    async def keep(self, name: str, work: Work) -> None:
        """Until `work` returns, or this is cancelled. `name` is for the log and the metric: one of few."""
        self.restarts[name] += 0
        await keep_running(name, work, clock=self._clock, rng=self._rng, report=self._report)

    def _report(self, name: str, error: Exception, wait_s: float) -> None:
        self.restarts[name] += 1
        log.exception(
            "a background task failed and is started again",
            task=name,
            error=repr(error),
            again_in_s=round(wait_s, 1),
        )


def restart_family(backgrounds: Iterable[Background]) -> Iterator[Metric]:
    from prometheus_client.metrics_core import CounterMetricFamily

    family = CounterMetricFamily(
        "apiserver_background_restarts",
        "How often a background task failed and was started again.",
        labels=["task"],
    )
    together: Counter[str] = Counter()
    for background in backgrounds:
        for name, count in background.restarts.items():
            together[name] += count
    for name, count in sorted(together.items()):
        family.add_metric([name], count)
    yield family
