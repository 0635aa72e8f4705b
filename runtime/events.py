"""The one reader's queue behind `RuntimeService.events()`.

Subscribing happens at the call, not at the first `__anext__`: a reader that calls `events()` and then
lists misses nothing. Without a reader events are dropped. A second call takes over from the first,
whose iteration ends. Unbounded on purpose: an event is a few words, and losing one loses an exit.
"""

from __future__ import annotations

import asyncio
from collections import deque

from runtime.cri import ContainerEvent


class EventFeed:
    """An async iterator over events; ends when closed."""

    def __init__(self) -> None:
        self._events: deque[ContainerEvent] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    def put(self, event: ContainerEvent) -> None:
        self._events.append(event)
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()

    def __aiter__(self) -> EventFeed:
        return self

    async def __anext__(self) -> ContainerEvent:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._events.popleft()


class EventBus:
    """Hands events to the present reader."""

    def __init__(self) -> None:
        self._feed: EventFeed | None = None

    def subscribe(self) -> EventFeed:
        if self._feed is not None:
            self._feed.close()
        self._feed = EventFeed()
        return self._feed

    def publish(self, event: ContainerEvent) -> None:
        if self._feed is not None:
            self._feed.put(event)

    def close(self) -> None:
        if self._feed is not None:
            self._feed.close()
            self._feed = None
