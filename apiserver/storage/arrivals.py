"""Who waits until a cache has come to a revision: writers for their own write, readers for one that they heard of.

A writer waits for as long as it takes, because what it wrote is durable; a reader may have heard of a revision that will never
be, and waits a little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from apiserver.backends.backend import FutureRevision, OutcomeUnknown
from machinery.clock import Clock

FRESH_WITHIN_S = 3.0  # how long a reader waits for a revision that is not there yet
_LOOK_EVERY_S = 0.02


class Arrivals:
    """`progress` tells how far the cache is. `release` is to be called when it has moved, `close` when it will not any more."""

    def __init__(self, clock: Clock, progress: Callable[[], int]) -> None:
        self._clock = clock
        self._progress = progress
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._closed = False

    async def of_a_write(self, revision: int) -> None:
        """Until a durable write has arrived. Raises OutcomeUnknown where the cache is closed first."""
        if self._progress() < revision:
            if self._closed:
                raise OutcomeUnknown("the store was closed when the write was made")
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((revision, future))
            await future

    async def of_a_read(self, revision: int) -> None:
        """Raises FutureRevision where the revision does not arrive within FRESH_WITHIN_S."""
        for _ in range(3):
            if self._progress() >= revision:
                return
            await asyncio.sleep(0)  # most often the feed has it in hand already
        deadline = self._clock.monotonic() + FRESH_WITHIN_S
        while (progress := self._progress()) < revision:
            if self._clock.monotonic() >= deadline:
                raise FutureRevision(f"Too large resource version: {revision}, current: {progress}")
            await self._clock.sleep(_LOOK_EVERY_S)

    def release(self) -> None:
        if not self._waiting:
            return
        progress = self._progress()
        for revision, future in self._waiting:
            if revision <= progress and not future.done():
                future.set_result(None)
        self._waiting = [one for one in self._waiting if not one[1].done()]

    def close(self) -> None:
        self._closed = True
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(OutcomeUnknown("the store was closed when the write was made"))
        self._waiting.clear()
