"""One watch on a cached resource: a bounded queue between the one feed and one reader.

The feed never waits for a reader: a watcher whose queue is full is cut off and gets Compacted, on
which a client lists again. What has gathered since the reader last looked is handed out as one batch.
Order: past events (from the window or the backend's history) or the initial objects, then the queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from apiserver.backends.backend import Compacted
from apiserver.storage.store import Entry, Predicate, StoreEvent
from apiserver.storage.window import CacheEvent

BATCH = 500  # initial objects handed out at once


class Watcher:
    """Made by Cacher.watch. `open_` fills and registers it, `close` takes it out again."""

    def __init__(
        self,
        namespace: str,
        name: str,
        predicate: Predicate | None,
        from_revision: int,
        bookmarks: bool,
        limit: int,
        open_: Callable[[Watcher], Awaitable[None]],
        close: Callable[[Watcher], None],
    ) -> None:
        self.namespace = namespace
        self.name = name
        self.predicate = predicate
        self.revision = from_revision  # nothing up to here is delivered any more
        self.bookmarks = bookmarks
        self.initial: Sequence[StoreEvent] = ()
        self.history: AsyncGenerator[list[StoreEvent], None] | None = None
        self._limit = limit
        self._queue: list[StoreEvent] = []
        self._waiter: asyncio.Future[None] | None = None
        self._cut: int | None = None
        self._ended = False
        self._open = open_
        self._close = close

    async def __aenter__(self) -> Watcher:
        await self._open(self)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._close(self)
        if self.history is not None:
            await self.history.aclose()

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> Sequence[StoreEvent]:
        if self.initial:
            batch, self.initial = self.initial[:BATCH], self.initial[BATCH:]
            return batch
        if self.history is not None:
            async for past in self.history:
                return past
            self.history = None
        loop = asyncio.get_running_loop()
        while True:
            if self._cut is not None:
                raise Compacted(self._cut)
            if self._queue:
                queued, self._queue = self._queue, []
                return queued
            if self._ended:
                raise StopAsyncIteration
            self._waiter = loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    @property
    def idle(self) -> bool:
        return not self._queue and not self.initial and self.history is None

    def offer(self, event: CacheEvent) -> None:
        """A change in this resource; queued where it concerns this watch."""
        if event.revision <= self.revision:
            return
        if self.name or self.namespace:
            entry = event.after or event.before
            assert entry is not None
            if not self.concerns(entry):
                return
        seen = event.seen_with(self.predicate)
        if seen is not None:
            self.put(seen)

    def concerns(self, entry: Entry) -> bool:
        if self.name and entry.name != self.name:
            return False
        return not self.namespace or entry.namespace == self.namespace

    def put(self, event: StoreEvent) -> None:
        if self._cut is not None:
            return
        if len(self._queue) >= self._limit:
            self.cut(event.revision)
            return
        self._queue.append(event)
        self._wake()

    def cut(self, oldest: int) -> None:
        """The reader fell behind, or what it follows was rebuilt: it has to list again."""
        self._cut = oldest
        self._queue.clear()
        self._wake()

    def end(self) -> None:
        """No more events will come; what is queued is still delivered."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
