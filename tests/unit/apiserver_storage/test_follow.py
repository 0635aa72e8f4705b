"""What the server decides by is as new as the last write that was answered, however many watch the same."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import Any

from apiserver.backends.memory import MemoryBackend
from apiserver.storage.cacher import Cacher
from apiserver.storage.extract import extractor
from apiserver.storage.follow import Follower
from machinery.clock import LoopClock
from machinery.virtual_loop import DEFAULT_EPOCH_S, run

CROWD = 1000  # so many that they are paced at the longest gap


def test_follower_knows_each_write_at_once_in_a_crowd_of_watches() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop, DEFAULT_EPOCH_S)
        store = Cacher(
            MemoryBackend(clock),
            prefix="/registry/rolebindings/",
            namespaced=True,
            extract=extractor({}, namespaced=True),
            clock=clock,
            rng=random.Random(1),
        )
        await store.start()
        known: list[str] = []
        follower = Follower(store, lambda namespace, name, obj: known.append(name))
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            feeding = group.create_task(store.run())
            for _ in range(CROWD):
                stream: Any = await stack.enter_async_context(store.watch(from_revision=0))
                group.create_task(drain(stream))
            following = group.create_task(follower.run())
            await follower.synced.wait()
            for index in range(100):
                await store.create("d", f"b{index}", {"metadata": {"name": f"b{index}", "namespace": "d"}})
                for _ in range(3):  # what a request takes before it is authorized is more
                    await asyncio.sleep(0)
                assert known[-1:] == [f"b{index}"]
                await asyncio.sleep(0.005)
            following.cancel()
            feeding.cancel()

    run(main())


async def drain(stream: Any) -> None:
    async for _ in stream:
        pass
