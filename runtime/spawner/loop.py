"""The spawner's event loop: epoll, callbacks, timers. Enough for one thread and no more."""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
Callback = Callable[[int], None]


class Loop:
    """Callbacks get the event mask. A callback may unregister any descriptor, also one that is due."""

    def __init__(self) -> None:
        self._epoll = select.epoll(64, select.EPOLL_CLOEXEC)
        self._callbacks: dict[int, Callback] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._stopped = False

    def add(self, fd: int, callback: Callback, events: int = READ) -> None:
        self._callbacks[fd] = callback
        self._epoll.register(fd, events)

    def modify(self, fd: int, events: int) -> None:
        self._epoll.modify(fd, events)

    def remove(self, fd: int) -> None:
        """Before the descriptor is closed; unknown ones are ignored."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_later(self, delay_s: float, function: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._timers, (time.monotonic() + delay_s, self._serial, function))

    def stop(self) -> None:
        self._stopped = True

    def run(self) -> None:
        while not self._stopped:
            timeout = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else -1
            for fd, events in self._epoll.poll(timeout):
                callback = self._callbacks.get(fd)
                if callback is not None:
                    callback(events)
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()
