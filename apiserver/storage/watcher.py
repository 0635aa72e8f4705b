"""One watch on a cached resource: what one reader has read of the run of events that its audience shares.

The feed never waits for a reader: a watcher that is too far behind is cut off and gets Compacted, on
which a client lists again. What has gathered since the reader last looked is handed out as one batch.
Order: past events (from the window or the backend's history) or the initial objects, then what the audience hears.

A reader may name a function that takes batches while it waits (`deliver_to`): what a crowd of connections is sent then costs no
turn of a task each. What the function cannot take, the reader is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence

from apiserver.backends.backend import Compacted
from apiserver.storage.audience import BATCH_BYTES, Audience, size_of
from apiserver.storage.store import Batch, Entry, Predicate, StoreEvent, Take
from apiserver.storage.window import CacheEvent

BATCH = 500  # events of the beginning handed out at once, at most, and of those no more than BATCH_BYTES


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
        self._initial: Iterator[StoreEvent] = iter(())
        self._first: StoreEvent | None = None  # of what is left of `_initial`
        self.history: AsyncGenerator[list[StoreEvent], None] | None = None
        self.audience: Audience | None = None  # from when it is registered
        self.position = 0
        self._waiter: asyncio.Future[None] | None = None
        self._cut: int | None = None
        self._ended = False
        self._direct: Take | None = None
        self._is_ready: Callable[[], bool] | None = None
        self._is_held_up = False  # `_direct` takes nothing now
        self._is_called = False  # `_deliver` is, in the loop's next turn
        self._refused: Sequence[StoreEvent] = ()  # taken from the audience, but not by `_direct`
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
        while self._first is None and self.history is not None and self._cut is None:
            async for past in self.history:
                self.begin_with(past)
                break
            else:
                self.history = None
        if self._first is not None:
            return self._beginning(self._first)
        audience = self.audience
        assert audience is not None
        woken = False
        while True:
            if self._refused:
                batch, self._refused = self._refused, ()
                return batch
            if self._is_held_up:
                self._is_held_up = False
                return ()
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

    def begin_with(self, events: Iterable[StoreEvent]) -> None:
        """These come before all else. They are made one by one while they are read."""
        self._initial = iter(events)
        self._first = next(self._initial, None)

    def _beginning(self, first: StoreEvent) -> Sequence[StoreEvent]:
        """The next of what came before the audience's events; what a reader has taken is held no longer."""
        batch, size = [first], size_of(first)
        for event in self._initial:
            size += size_of(event)
            if len(batch) == BATCH or size > BATCH_BYTES:
                self._first = event
                return batch
            batch.append(event)
        self._first = None
        return batch

    def deliver_to(self, take: Take, is_ready: Callable[[], bool]) -> None:
        self._direct, self._is_ready = take, is_ready

    def concerns(self, entry: Entry) -> bool:
        if self.name and entry.name != self.name:
            return False
        return not self.namespace or entry.namespace == self.namespace

    def cut(self, oldest: int) -> None:
        """The reader fell behind, or what it follows was rebuilt: it has to list again, and needs nothing more of its beginning."""
        self._cut = oldest
        self.begin_with(())
        self.wake()

    def end(self) -> None:
        """No more events will come; what is there is still delivered."""
        self._ended = True
        self.wake()

    def wake(self) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if self._direct is None or self._ended or self._cut is not None:
            self._waiter.set_result(None)
        elif not self._is_called:
            self._is_called = True
            self._waiter.get_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        """What is there goes to `_direct`; the reader sleeps on, unless there is something to do for it."""
        self._is_called = False
        audience, take, is_ready = self.audience, self._direct, self._is_ready
        if self._waiter is None or self._waiter.done() or audience is None or take is None:
            return
        if not audience.owes(self, woken=True):
            return
        if is_ready is not None and not is_ready():
            self._is_held_up = True
            self._waiter.set_result(None)
            return
        batch = self._unseen(audience.take(self))
        try:
            if batch and not take(batch):
                self._refused = batch
        except Exception:  # to be met by the reader, who is given the same batch
            self._refused = batch
        if self._refused or audience.owes(self, woken=True):
            self._waiter.set_result(None)

    def _unseen(self, batch: Batch) -> Sequence[StoreEvent]:
        """Without what the reader knew when it began: a bookmark of that very revision."""
        if batch[0].revision > self.revision:
            return batch
        return [event for event in batch if event.revision > self.revision]


def as_added(entries: list[Entry], revision: int) -> Iterator[StoreEvent]:
    """What was there at `revision`, for a watch that begins with it. Each entry is let go of once it was told."""
    entries.reverse()
    while entries:
        entry = entries.pop()
        yield StoreEvent("ADDED", entry.revision, entry)
    yield StoreEvent("BOOKMARK", revision, None, initial_end=True)


def as_seen(events: Iterable[CacheEvent], watcher: Watcher) -> Iterator[StoreEvent]:
    for event in events:
        if watcher.concerns(event.entry) and (seen := event.seen_with(watcher.predicate)) is not None:
            yield seen
