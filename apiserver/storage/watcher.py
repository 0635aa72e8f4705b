"""One watch on a cached resource: what one reader has read of the run of events that its audience shares.

The feed never waits for a reader: a watcher that is too far behind is cut off and gets Compacted, on
which a client lists again. What has gathered since the reader last looked is handed out as one batch.
Order: past events (from the window or the backend's history) or the initial objects, then what the audience hears.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from apiserver.backends.backend import Compacted
from apiserver.storage.audience import Audience
from apiserver.storage.store import Batch, Entry, Predicate, StoreEvent

BATCH = 500  # events of the beginning handed out at once


class Watcher:
    """Made by Cacher.watch. `open_` fills and registers it, `close` takes it out again."""

    def __init__(
        self,
        namespace: str,
        name: str,
        predicate: Predicate | None,
        from_revision: int,
        bookmarks: bool,
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
        self.audience: Audience | None = None  # from when it is registered
        self.position = 0
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
        audience = self.audience
        assert audience is not None
        woken = False
        while True:
            if self._cut is not None:
                raise Compacted(self._cut)
            if audience.owes(self, woken=woken):
                batch = self._unseen(audience.take(self))
                if batch:
                    return batch
            elif self._ended:
                raise StopAsyncIteration
            else:
                self._waiter = asyncio.get_running_loop().create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
                woken = True

    def concerns(self, entry: Entry) -> bool:
        if self.name and entry.name != self.name:
            return False
        return not self.namespace or entry.namespace == self.namespace

    def cut(self, oldest: int) -> None:
        """The reader fell behind, or what it follows was rebuilt: it has to list again."""
        self._cut = oldest
        self.wake()

    def end(self) -> None:
        """No more events will come; what is there is still delivered."""
        self._ended = True
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _unseen(self, batch: Batch) -> Sequence[StoreEvent]:
        """Without what the reader knew when it began: a bookmark of that very revision."""
        if batch[0].revision > self.revision:
            return batch
        return [event for event in batch if event.revision > self.revision]
