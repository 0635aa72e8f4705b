"""The loop of what the server keeps for itself."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.backends.backend import StoreUnavailable
from apiserver.engine import keeping
from apiserver.engine.keeping import every, keep
from machinery.clock import LoopClock
from machinery.errors import Conflict, Forbidden
from machinery.virtual_loop import run


def test_rounds_come_at_once_with_news_and_after_the_pause() -> None:
    async def main(clock: LoopClock) -> None:
        begun, rounds, news = clock.monotonic(), [], asyncio.Event()

        async def once() -> float | None:
            rounds.append(clock.monotonic() - begun)
            return 30.0 if len(rounds) < 3 else None

        async with asyncio.TaskGroup() as group:
            running = group.create_task(keep("things", once, news))
            await clock.sleep(10)
            news.set()
            await clock.sleep(1000)
            running.cancel()
        assert rounds == [0, 10, 40]

    run(main)


def test_refused_round_is_repeated_soon_and_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Log:
        def warning(self, event: str, *, what: str, error: str) -> None:
            told.append(error)

    monkeypatch.setattr(keeping, "log", Log())

    async def main(clock: LoopClock) -> None:
        refusals = [StoreUnavailable("lost"), StoreUnavailable("lost"), Conflict("late"), Forbidden("no")]
        rounds, news = [], asyncio.Event()

        async def once() -> float | None:
            rounds.append(clock.monotonic())
            if refusals:
                raise refusals.pop(0)
            return None

        async with asyncio.TaskGroup() as group:
            running = group.create_task(keep("things", once, news, retry_s=2.0))
            await clock.sleep(100)
            running.cancel()
        assert [at - rounds[0] for at in rounds] == [0, 2, 4, 6, 8]
        assert told == ["lost", "no"]

    run(main)


def test_every_period_begins_with_a_pause() -> None:
    async def main(clock: LoopClock) -> None:
        begun, rounds = clock.monotonic(), []

        async def work() -> None:
            rounds.append(clock.monotonic() - begun)

        async with asyncio.TaskGroup() as group:
            running = group.create_task(keep("things", every(10.0, work)))
            await clock.sleep(35)
            running.cancel()
        assert rounds == [10, 20, 30]

    run(main)
