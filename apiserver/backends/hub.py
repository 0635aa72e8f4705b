"""Hands durable changes to watches: the live tail from memory, what lies further back from history.

A `Subscription` is first *behind*: it reads history in slices until it has reached the newest durable
revision, then it is *live* and is fed by `publish`. One that is not read fast enough is put behind
again instead of growing: nothing is lost and nothing is kept twice, as history has it all anyway.
Only what is durable may be published.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from apiserver.backends.backend import Change, ChangeStream, Compacted

# (prefix, after, upto) → (changes, last revision looked at); raises Compacted
History = Callable[[str, int, int], Awaitable[tuple[list[Change], int]]]
BUFFER = 16_384


class WatchHub:
    """All watches of one backend. `newest` is the newest durable revision; the backend moves it by publishing."""

    def __init__(self, history: History) -> None:
        self.newest = 0
        self.history = history
        self.closed = False
        self._by_prefix: dict[str, list[Subscription]] = {}
        self._lengths: list[int] = []  # of prefixes that end elsewhere than after a slash

    def publish(self, changes: Sequence[Change], newest: int) -> None:
        """Durable `changes` in commit order; `newest` is the last one's revision."""
        self.newest = newest
        by_prefix = self._by_prefix
        for change in changes:
            key = change.kv.key
            at = key.find("/") + 1
            while at:
                for subscription in by_prefix.get(key[:at], ()):
                    subscription.feed(change)
                at = key.find("/", at) + 1
            for length in self._lengths:
                for subscription in by_prefix.get(key[:length], ()):
                    subscription.feed(change)

    def add(self, subscription: Subscription) -> None:
        self._by_prefix.setdefault(subscription.prefix, []).append(subscription)
        self._measure()

    def remove(self, subscription: Subscription) -> None:
        there = self._by_prefix[subscription.prefix]
        there.remove(subscription)
        if not there:
            del self._by_prefix[subscription.prefix]
            self._measure()

    def _measure(self) -> None:
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix if not prefix.endswith("/")})

    def lapse(self, newest: int) -> None:
        """What lies between the watches and `newest` cannot be told: each of them gets Compacted."""
        for subscriptions in self._by_prefix.values():
            for subscription in subscriptions:
                subscription.lapse(newest)
        self.newest = newest

    def close(self) -> None:
        """Ends every watch."""
        self.closed = True
        for subscriptions in self._by_prefix.values():
            for subscription in subscriptions:
                subscription.wake()


class Subscription(AbstractAsyncContextManager[ChangeStream]):
    """One watch: a context manager and, inside, its stream of batches."""

    def __init__(self, hub: WatchHub, prefix: str, from_revision: int, check: Callable[[int], None]) -> None:
        self.prefix = prefix
        self._hub = hub
        self._check = check
        self._done = from_revision  # everything up to here is handed out, as long as we are behind
        self._behind = True
        self._buffer: deque[Change] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._lapsed: int | None = None

    async def __aenter__(self) -> Subscription:
        self._check(self._done)
        self._behind = self._done < self._hub.newest
        self._hub.add(self)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._hub.remove(self)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Sequence[Change]:
        while not self._hub.closed:
            if self._lapsed is not None:
                raise Compacted(self._lapsed)
            if self._behind:
                changes, self._done = await self._hub.history(self.prefix, self._done, self._hub.newest)
                self._behind = self._done < self._hub.newest
                if changes:
                    return changes
            elif self._buffer:
                batch = tuple(self._buffer)
                self._buffer.clear()
                return batch
            else:
                self._waiter = asyncio.get_running_loop().create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
        raise StopAsyncIteration

    @property
    def progress(self) -> int:
        if self._behind or self._lapsed is not None:
            return self._done
        return self._buffer[0].kv.mod_revision - 1 if self._buffer else max(self._done, self._hub.newest)

    def feed(self, change: Change) -> None:
        if self._behind or self._lapsed is not None or change.kv.mod_revision <= self._done:
            return
        if len(self._buffer) >= BUFFER:
            self._done = self._buffer[0].kv.mod_revision - 1
            self._buffer.clear()
            self._behind = True
            return
        self._buffer.append(change)
        self.wake()

    def lapse(self, oldest: int) -> None:
        """Before the hub moves on."""
        if not self._behind and self._lapsed is None:
            self._done = self.progress
        self._lapsed = oldest
        self._buffer.clear()
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
