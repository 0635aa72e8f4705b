"""A play: writers and watchers on one or several ways to a store, trouble in between, and the judgement of what they saw."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from histories import History, violations
from workload import Lost, Subject, Workload

Trouble = Callable[[Workload], Awaitable[None]]


async def play(
    subjects: Sequence[Subject], trouble: Trouble, seed: int, **more: object
) -> tuple[History, Workload]:
    """Five writers and three watchers on each subject; one log is kept, through the first. `trouble` ends the play."""
    history, rng = History(), random.Random(seed)
    first = await subjects[0].list()
    history.first = first[0]
    loads = [Workload(subject, history, rng, **more) for subject in subjects]
    keeper = loads[0]
    keeper.logged = history.first
    async with asyncio.TaskGroup() as group:
        log = group.create_task(keeper.keep_log())
        writers, watchers = [], []
        for at, one in enumerate(loads):
            writers += [group.create_task(one.write(100 * at + n)) for n in range(5)]
            watchers += [
                group.create_task(one.watch(100 * at + 10 + n, slow_s=slow))
                for n, slow in enumerate((0.0, 0.01, 0.2))
            ]
        await trouble(keeper)
        for one in loads:
            one.running = False
        await asyncio.gather(*writers)
        async with asyncio.timeout(20):
            last = await _write_last(keeper)
            while not any(told.key == last for told in reversed(history.log)):
                await keeper.pause(0.02)
        for task in (*watchers, log):
            task.cancel()
    keeper.settle()
    return history, keeper


async def _write_last(load: Workload) -> str:
    """The key of a write that everybody else's came before."""
    turn = 0
    while True:
        turn += 1
        try:
            await load.write_once(99, f"end{turn}", f"end.{turn}")
            return f"end{turn}"
        except Lost:
            await load.pause(0.1)


def judge(history: History, at_least: int) -> None:
    found = violations(history)
    assert not found, "\n".join(found[:5])
    done = [op for op in history.ops if op.verdict == "ok" and op.verb in ("put", "delete")]
    assert len(done) >= at_least, f"{len(done)} writes prove little"
    assert sum(len(watched.events) for watched in history.watches) >= at_least
