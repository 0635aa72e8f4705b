"""A queue of keys for workers: each key at most once, never two workers on one key, failures retried later.

Semantics are client-go's workqueue:
* `dirty` holds what needs work, `processing` what a worker has. A key added while it waits is the same
  entry; a key added while it is processed goes back in line when the worker says `done`.
* `add_after` waits first; of several waits for one key the earliest counts.
* `add_rate_limited` waits longer each time until `forget`.
* After `shutdown`, adds are ignored, what waits in line is still handed out, then `get` raises
  `QueueShutDown`.

The queue starts no task: delays are timers of the running loop, so all calls belong on that loop.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from machinery.backoff import Backoff, TokenBucket
from machinery.clock import Clock

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)


# What is left of a wait after rounding may be less than the clock can tell apart: who asks for it again and again would
# never let time pass on a loop whose time stands still while something can run.
MIN_DELAY_S = 0.001


class QueueShutDown(Exception):
    """The queue is shut down and empty."""


class RateLimiter(Protocol[K_contra]):
    def next(self, key: K_contra) -> float: ...
    def failures(self, key: K_contra) -> int: ...
    def forget(self, key: K_contra) -> None: ...


class DefaultLimiter(Generic[K]):
    """client-go's default for controllers: 5 ms doubling to 1000 s per key, 10/s (burst 100) over all."""

    def __init__(self, clock: Clock) -> None:
        self._backoff: Backoff[K] = Backoff()
        self._bucket = TokenBucket(10.0, 100, clock)

    def next(self, key: K) -> float:
        return max(self._backoff.next(key), self._bucket.reserve())

    def failures(self, key: K) -> int:
        return self._backoff.failures(key)

    def forget(self, key: K) -> None:
        self._backoff.forget(key)


@dataclass(slots=True)
class Counters:
    """For metrics; sums are seconds."""

    adds: int = 0
    retries: int = 0
    taken: int = 0
    done: int = 0
    queue_s: float = 0.0
    work_s: float = 0.0


class WorkQueue(Generic[K]):
    def __init__(self, clock: Clock, limiter: RateLimiter[K] | None = None, *, name: str = "") -> None:
        self.name = name
        self.counters = Counters()
        self._clock = clock
        self._limiter: RateLimiter[K] = limiter if limiter is not None else DefaultLimiter(clock)
        self._queue: deque[K] = deque()
        self._dirty: set[K] = set()
        self._processing: dict[K, float] = {}  # key → when it was handed out
        self._added_at: dict[K, float] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._drained: list[asyncio.Future[None]] = []
        self._waiting: dict[K, float] = {}  # key → ready at
        self._heap: list[tuple[float, int, K]] = []
        self._order = 0
        self._timer: asyncio.TimerHandle | None = None
        self._shutting_down = False

    def __len__(self) -> int:
        """Keys in line, without those processed or delayed."""
        return len(self._queue)

    @property
    def is_idle(self) -> bool:
        """Nothing in line and nothing processed; delayed keys do not count."""
        return not self._queue and not self._processing

    def unfinished_s(self) -> float:
        """Seconds of work begun and not done, over all workers."""
        now = self._clock.monotonic()
        return sum(now - since for since in self._processing.values())

    def add(self, key: K) -> None:
        if self._shutting_down or key in self._dirty:
            return
        self.counters.adds += 1
        self._dirty.add(key)
        self._added_at.setdefault(key, self._clock.monotonic())
        if key not in self._processing:
            self._queue.append(key)
            self._wake_one()

    def add_after(self, key: K, delay_s: float) -> None:
        if self._shutting_down:
            return
        if delay_s <= 0:
            self.add(key)
            return
        ready_at = self._clock.monotonic() + max(delay_s, MIN_DELAY_S)
        known = self._waiting.get(key)
        if known is not None and known <= ready_at:
            return
        self._waiting[key] = ready_at
        self._order += 1
        heapq.heappush(self._heap, (ready_at, self._order, key))
        self._arm()

    def add_rate_limited(self, key: K) -> None:
        self.counters.retries += 1
        self.add_after(key, self._limiter.next(key))

    def forget(self, key: K) -> None:
        """The key succeeded: its next failure waits briefly again. Does not take it out of the queue."""
        self._limiter.forget(key)

    def failures(self, key: K) -> int:
        return self._limiter.failures(key)

    async def get(self) -> K:
        """The next key, which is the caller's until it says `done`. Raises QueueShutDown at the end."""
        while not self._queue:
            if self._shutting_down:
                raise QueueShutDown(self.name)
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake_one()  # we were chosen but leave: pass it on
                elif waiter in self._getters:  # else whoever looked for a waiter has passed over it already
                    self._getters.remove(waiter)
                raise
        key = self._queue.popleft()
        now = self._clock.monotonic()
        self._dirty.discard(key)
        self._processing[key] = now
        self.counters.taken += 1
        self.counters.queue_s += now - self._added_at.pop(key, now)
        return key

    def done(self, key: K) -> None:
        since = self._processing.pop(key, None)
        if since is None:
            return
        self.counters.done += 1
        self.counters.work_s += self._clock.monotonic() - since
        if key in self._dirty:
            self._queue.append(key)
            self._wake_one()
        elif not self._processing:
            self._wake_drained()

    def shutdown(self) -> None:
        self._shutting_down = True
        self._waiting.clear()
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._getters:
            self._wake_one()

    async def shutdown_with_drain(self) -> None:
        """shutdown, then waits until every key handed out is done."""
        self.shutdown()
        while self._processing or self._queue:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._drained.append(waiter)
            await waiter

    def _wake_one(self) -> None:
        while self._getters:
            waiter = self._getters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _wake_drained(self) -> None:
        waiters, self._drained = self._drained, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _arm(self) -> None:
        """One timer, set for the earliest delayed key."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            delay = max(0.0, self._heap[0][0] - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            ready_at, _, key = heapq.heappop(self._heap)
            if self._waiting.get(key) == ready_at:  # else an earlier wait has won
                del self._waiting[key]
                self.add(key)
        self._arm()
