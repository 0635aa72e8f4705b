"""The workqueue's promises, on virtual time."""

from __future__ import annotations

import asyncio
import random

import pytest

from machinery.backoff import Backoff, TokenBucket
from machinery.clock import LoopClock
from machinery.supervise import Supervisor
from machinery.virtual_loop import run
from machinery.workqueue import QueueShutDown, WorkQueue


def test_add_twice_hands_out_once() -> None:
    async def main(clock: LoopClock) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        queue.add("a")
        queue.add("a")
        queue.add("b")
        assert [await queue.get(), await queue.get()] == ["a", "b"]
        assert len(queue) == 0

    run(main)


def test_add_while_processing_comes_back_after_done() -> None:
    async def main(clock: LoopClock) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        queue.add("a")
        key = await queue.get()
        queue.add("a")
        assert len(queue) == 0
        queue.done(key)
        assert await queue.get() == "a"
        queue.done("a")
        assert queue.is_idle

    run(main)


def test_workers_never_share_a_key() -> None:
    async def main(clock: LoopClock) -> None:
        rng = random.Random(1)
        queue: WorkQueue[int] = WorkQueue(clock)
        active: set[int] = set()
        seen: list[int] = []

        async def worker() -> None:
            while True:
                try:
                    key = await queue.get()
                except QueueShutDown:
                    return
                assert key not in active
                active.add(key)
                await clock.sleep(rng.random())
                active.discard(key)
                seen.append(key)
                queue.done(key)

        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(worker())
            for _ in range(200):
                queue.add(rng.randrange(10))
                await clock.sleep(rng.random() / 10)
            await queue.shutdown_with_drain()
        assert set(seen) == set(range(10))
        assert queue.counters.done == queue.counters.taken == len(seen)

    run(main)


def test_add_after_waits_and_the_earliest_wins() -> None:
    async def main(clock: LoopClock) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        queue.add_after("a", 50)
        queue.add_after("a", 10)
        queue.add_after("a", 30)
        assert await queue.get() == "a"
        assert clock.monotonic() == 10
        queue.done("a")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await queue.get()

    run(main)


def test_wait_too_short_for_the_clock_still_lets_time_pass() -> None:
    async def main(clock: LoopClock) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        await clock.sleep(151.5)
        started = clock.monotonic()
        for _ in range(10):
            queue.add_after("a", 1e-15)
            queue.done(await queue.get())
        assert clock.monotonic() - started >= 0.01

    run(main)


def test_rate_limited_adds_grow_until_forgotten() -> None:
    async def main(clock: LoopClock) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        waits = []
        for _ in range(4):
            before = clock.monotonic()
            queue.add_rate_limited("a")
            queue.done(await queue.get())
            waits.append(round(clock.monotonic() - before, 6))
        assert waits == [0.005, 0.01, 0.02, 0.04]
        assert queue.failures("a") == 4
        queue.forget("a")
        assert queue.failures("a") == 0

    run(main)


def test_shutdown_hands_out_the_rest_then_raises() -> None:
    async def main(clock: LoopClock) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        queue.add("a")
        queue.add_after("late", 5)
        queue.shutdown()
        queue.add("b")
        assert await queue.get() == "a"
        with pytest.raises(QueueShutDown):
            await queue.get()

    run(main)


def test_shutdown_wakes_all_getters() -> None:
    async def main(clock: LoopClock) -> list[object]:
        queue: WorkQueue[str] = WorkQueue(clock)
        tasks = [asyncio.create_task(queue.get()) for _ in range(3)]
        await clock.sleep(1)
        queue.shutdown()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    assert all(isinstance(result, QueueShutDown) for result in run(main))


def test_cancelled_getter_passes_its_wakeup_on() -> None:
    async def main(clock: LoopClock) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        first = asyncio.create_task(queue.get())
        second = asyncio.create_task(queue.get())
        await clock.sleep(1)
        queue.add("a")
        first.cancel()
        assert await second == "a"
        with pytest.raises(asyncio.CancelledError):
            await first

    run(main)


def test_getter_that_is_cancelled_as_the_next_is_woken_goes_quietly() -> None:
    async def main(clock: LoopClock) -> None:
        queue: WorkQueue[str] = WorkQueue(clock)
        first, second = asyncio.ensure_future(queue.get()), asyncio.ensure_future(queue.get())
        await asyncio.sleep(0)
        first.cancel()
        queue.add("a")  # passes over the first, whose place in line is gone by the time it runs
        assert await second == "a"
        with pytest.raises(asyncio.CancelledError):
            await first

    run(main)


def test_backoff_stops_at_its_limit_and_jitters_by_its_random() -> None:
    backoff: Backoff[str] = Backoff(1, 5, jitter=0.5, rng=random.Random(1))
    waits = [backoff.next("a") for _ in range(200)]
    assert 1 <= waits[0] <= 1.5
    assert all(5 <= wait <= 7.5 for wait in waits[3:])
    assert Backoff[str](1, 5).next("b") == 1
    endless: Backoff[str] = Backoff(1, 60)
    assert [endless.next("x") for _ in range(2000)][-1] == 60


def test_token_bucket_gives_its_burst_then_its_rate() -> None:
    async def main(clock: LoopClock) -> None:
        bucket = TokenBucket(2.0, 3, clock)
        assert [bucket.reserve() for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
        await clock.sleep(10)
        assert bucket.try_take()

    run(main)


def test_crashing_loop_is_restarted_with_growing_waits_and_reported() -> None:
    async def main(clock: LoopClock) -> None:
        reports: list[tuple[str, str, float]] = []
        runs = 0

        async def work() -> None:
            nonlocal runs
            runs += 1
            if runs < 4:
                raise ValueError(f"crash {runs}")

        async with Supervisor(
            clock, random.Random(1), lambda n, e, w: reports.append((n, str(e), w))
        ) as supervisor:
            supervisor.start("loop", work)
        assert [report[:2] for report in reports] == [("loop", f"crash {i}") for i in (1, 2, 3)]
        assert reports[0][2] < reports[1][2] < reports[2][2]
        assert supervisor.health["loop"].restarts == 3
        assert not supervisor.health["loop"].running

    run(main)


def test_supervisor_stop_ends_the_block() -> None:
    async def main(clock: LoopClock) -> float:
        async with Supervisor(clock, random.Random(1)) as supervisor:
            supervisor.start("forever", lambda: clock.sleep(1e6))
            await clock.sleep(3)
            supervisor.stop()
        return clock.monotonic()

    assert run(main) == 3
