"""Virtual time: jumps, exactness, threads, deadlocks."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from machinery.clock import LoopClock
from machinery.virtual_loop import DeadlockError, TimeLimitError, run, running_clock


def test_long_sleep_ends_at_once_and_at_exactly_its_time() -> None:
    async def main() -> float:
        await asyncio.sleep(0.1)
        await asyncio.sleep(86_400 * 365)
        return asyncio.get_running_loop().time()

    started = time.monotonic()
    assert run(main()) == 86_400 * 365 + 0.1
    assert time.monotonic() - started < 5


def test_timers_fire_in_order_of_time() -> None:
    seen: list[int] = []

    async def wait(delay: int) -> None:
        await asyncio.sleep(delay)
        seen.append(delay)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for delay in (30, 10, 20):
                group.create_task(wait(delay))

    run(main())
    assert seen == [10, 20, 30]


def test_clock_starts_at_epoch_and_follows_sleep() -> None:
    async def main(clock: LoopClock) -> tuple[float, float]:
        first = clock.now()
        await clock.sleep(60)
        assert running_clock() is clock
        return first, clock.now()

    assert run(main, epoch_s=1000.0) == (1000.0, 1060.0)


def test_waiting_for_nothing_raises_deadlock_naming_the_task() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match="wait"):
        run(main())


def test_timeout_of_a_wait_that_never_ends_fires() -> None:
    async def main() -> None:
        async with asyncio.timeout(5):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        run(main())


def test_endless_timers_hit_the_limit() -> None:
    async def main() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(1)

    with pytest.raises(TimeLimitError):
        run(main(), limit_s=100)


def test_thread_holds_time_still_until_it_is_done() -> None:
    async def main() -> tuple[str, float]:
        ticker = asyncio.create_task(asyncio.sleep(1000))
        got = await asyncio.to_thread(lambda: "done")
        now = asyncio.get_running_loop().time()
        ticker.cancel()
        return got, now

    assert run(main()) == ("done", 0.0)


def test_pipe_news_wakes_a_loop_without_timers() -> None:
    async def main() -> bytes:
        read_fd, write_fd = os.pipe()
        loop = asyncio.get_running_loop()
        got: asyncio.Future[bytes] = loop.create_future()
        loop.add_reader(read_fd, lambda: got.set_result(os.read(read_fd, 10)))
        os.write(write_fd, b"x")
        try:
            return await got
        finally:
            loop.remove_reader(read_fd)
            os.close(read_fd)
            os.close(write_fd)

    assert run(main()) == b"x"
