"""Keeps loops running: one that crashes is reported and started again after a growing wait.

`Supervisor` owns its tasks in a TaskGroup: leaving the block waits for them, cancelling it cancels them.
Only `Exception` is caught; cancellation and interpreter exits pass. A loop that ends with CancelledError while nobody cancelled it
(something that it waited for was) has crashed like any other: it would be gone without a word.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType

from machinery.backoff import delay_s
from machinery.clock import Clock

Report = Callable[[str, Exception, float], None]  # (name, what it died of, seconds until the restart)


@dataclass(slots=True)
class Health:
    """What is known of one loop."""

    running: bool = False
    restarts: int = 0
    last_error: Exception | None = None
    last_crash_at: float = 0.0  # wall time


async def keep_running(
    name: str,
    work: Callable[[], Awaitable[None]],
    *,
    clock: Clock,
    rng: random.Random,
    report: Report | None = None,
    health: Health | None = None,
    base_s: float = 0.1,
    max_s: float = 30.0,
) -> None:
    """Calls `work` until it returns. After a crash waits base_s doubling to max_s (plus up to 20 %).

    A run that lasted longer than `max_s` counts as healthy: the waits start small again.
    """
    health = health if health is not None else Health()
    failures = 0
    while True:
        started = clock.monotonic()
        health.running = True
        try:
            await _heeding_cancellation(work)
            return
        except Exception as error:
            if clock.monotonic() - started > max_s:
                failures = 0
            wait_s = delay_s(failures, base_s, max_s, jitter=0.2, chance=rng.random())
            failures += 1
            health.restarts += 1
            health.last_error = error
            health.last_crash_at = clock.now()
            if report is not None:
                report(name, error, wait_s)
        finally:
            health.running = False
        await clock.sleep(wait_s)


async def _heeding_cancellation(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("something that it waited for was cancelled") from error


class Supervisor:
    """`async with Supervisor(clock, rng, report) as s: s.start("informer", run_informer)`."""

    def __init__(self, clock: Clock, rng: random.Random, report: Report | None = None) -> None:
        self._clock = clock
        self._rng = rng
        self._report = report
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []
        self.health: dict[str, Health] = {}

    def start(
        self, name: str, work: Callable[[], Awaitable[None]], *, base_s: float = 0.1, max_s: float = 30.0
    ) -> asyncio.Task[None]:
        health = self.health.setdefault(name, Health())
        coro = keep_running(
            name,
            work,
            clock=self._clock,
            rng=self._rng,
            report=self._report,
            health=health,
            base_s=base_s,
            max_s=max_s,
        )
        task = self._group.create_task(coro, name=name)
        self._tasks.append(task)
        return task

    def stop(self) -> None:
        """Cancels every loop; the block then ends."""
        for task in self._tasks:
            task.cancel()

    async def __aenter__(self) -> Supervisor:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, error, trace)
