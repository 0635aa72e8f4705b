"""The watches of one resource that see the same events: one run of events, and how far each watcher has read.

    changes ──► offer ──► log ──► a round wakes the watchers, some in each turn of the loop ──► each takes what it has not read

A change is looked at once for all of them, and all who stand at the same place take the very same Batch, so what is made of it
is made once. Rounds are paced (`pace.py`): a lone watcher, a small audience and a rare change are served at once.

Invariants:
* The log holds what some watcher had not read when the last round began, nothing else: never more than `limit` events, nor
  than LOG_BYTES of objects, if that is more than one. Who is that far behind when one more comes is cut off (Compacted) and
  has to list again; nobody waits for it. The logs of all audiences of a resource, whose selections clients choose, hold
  no more than LOGS_BYTES together (an event counts in each): beyond that, it is the longest that is cut.
* Every watcher takes every event of the log once, in order.
* A watcher that lags behind the last round is served whenever it asks: only who is up to date waits for the next round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

from apiserver.storage.pace import Interval, plan_wait
from apiserver.storage.store import Batch, Predicate, StoreEvent
from apiserver.storage.window import CacheEvent
from machinery.clock import Clock

WAVE = 50  # watchers woken in one turn of the loop, for others to have their turns in between
BATCH_BYTES = 64 * 1024  # of objects handed out at once, so that a slow reader's connection holds no more
LOG_BYTES = 64 << 20  # of objects that are kept for who is behind
LOGS_BYTES = 4 * LOG_BYTES
_BATCHES = 8  # kept for the next who asks: who keeps up stands where others do, a crowd that lags may stand everywhere


class Listener(Protocol):
    """What an audience asks of its watchers."""

    position: int  # the number of events of the audience that came before what it reads next

    def wake(self) -> None: ...

    def cut(self, oldest: int) -> None: ...

    def end(self) -> None: ...


def size_of(event: StoreEvent) -> int:
    return len(event.entry.data) if event.entry is not None else 0


class Logs:
    """What the audiences of one resource hold together."""

    def __init__(self, audiences: Iterable[Audience]) -> None:
        """`audiences`: all there are, each time it is gone through."""
        self._audiences = audiences
        self.bytes = 0

    def shorten(self, revision: int) -> None:
        """Cut off who is furthest behind in the longest, until all is within the bound. `revision` is the newest."""
        while self.bytes > LOGS_BYTES:
            max(self._audiences, key=lambda each: each.log_bytes).cut_off_last(revision)


class Audience:
    def __init__(
        self,
        namespace: str,
        name: str,
        predicate: Predicate | None,
        bookmarks: bool,
        limit: int,
        clock: Clock,
        logs: Logs,
    ) -> None:
        """`namespace` and `name` are empty where they select nothing."""
        self._namespace = namespace
        self._name = name
        self._predicate = predicate
        self.bookmarks = bookmarks
        self._limit = limit
        self._clock = clock
        self._members: dict[Listener, None] = {}
        self._log: list[StoreEvent] = []
        self.log_bytes = 0
        self._logs = logs
        self._base = 0  # how many events came before the log's first
        self._end = 0  # how many came in all
        self._up_to_date = 0  # how many members have read all
        self._batches: dict[int, Batch] = {}  # by where they begin; they go to the log's end
        self._released = 0  # what lies before is taken without waiting for a round
        self._round: Iterator[Listener] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._began_s = float("-inf")  # the last round
        self._interval = Interval()

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Listener]:
        return iter(self._members)

    # Who listens

    def join(self, watcher: Listener) -> None:
        """It is told of what comes from now on."""
        watcher.position = self._end
        self._members[watcher] = None
        self._up_to_date += 1

    def leave(self, watcher: Listener) -> None:
        """Also for one that is no member."""
        if watcher in self._members:
            del self._members[watcher]
            if watcher.position == self._end:
                self._up_to_date -= 1
            self._forget_read()
        if not self._members:
            self._rest()

    def cut(self, oldest: int) -> None:
        """All of them have to list again."""
        for watcher in self._members:
            watcher.cut(oldest)
        self._members.clear()
        self._up_to_date = 0
        self._forget_read()
        self._rest()

    def end(self) -> None:
        """No more events will come; what there is may be taken now."""
        self._released = self._end
        self._rest()
        for watcher in self._members:
            watcher.end()

    # What they are told

    def offer(self, event: CacheEvent) -> None:
        """A change in this resource, for those whom it concerns."""
        entry = event.entry
        if self._name and entry.name != self._name:
            return
        if self._namespace and entry.namespace != self._namespace:
            return
        seen = event.seen_with(self._predicate)
        if seen is not None:
            self.put(seen)

    def put(self, event: StoreEvent) -> None:
        size = size_of(event)
        while self._log and (len(self._log) >= self._limit or self.log_bytes + size > LOG_BYTES):
            self.cut_off_last(event.revision)
        if not self._members:
            return
        self._log.append(event)
        self.log_bytes += size
        self._logs.bytes += size
        self._end += 1
        self._up_to_date = 0
        self._batches.clear()
        if self._logs.bytes > LOGS_BYTES:
            self._logs.shorten(event.revision)
            if not self._members:
                return
        if len(self._members) == 1:
            self._released = self._end
            next(iter(self._members)).wake()
            return
        self._interval.heard(self._clock.monotonic())
        if self._round is None and self._timer is None:
            self._plan_round()

    def owes(self, watcher: Listener, *, woken: bool) -> bool:
        """Whether there is something for it to take: for one that was not `woken`, without waiting for a round."""
        return watcher.position < (self._end if woken else self._released)

    def take(self, watcher: Listener) -> Batch:
        """What it has not read yet, or the beginning of that; something there is."""
        at = watcher.position
        batch = self._batches.get(at)
        if batch is None:
            if len(self._batches) >= _BATCHES:
                del self._batches[next(iter(self._batches))]
            batch = self._batches[at] = self._batch(at - self._base)
        watcher.position = at + len(batch)
        if watcher.position == self._end:
            self._up_to_date += 1
            self._forget_read()
        elif len(self._members) == 1:
            self._forget_until(watcher.position)
        return batch

    def _batch(self, start: int) -> Batch:
        size = 0
        for index in range(start, len(self._log)):
            size += size_of(self._log[index])
            if size > BATCH_BYTES and index > start:
                return Batch(self._log[start:index])
        return Batch(self._log[start:] if start else self._log)

    # Rounds

    def _plan_round(self) -> None:
        since_s = self._clock.monotonic() - self._began_s
        wait_s = plan_wait(len(self._members), since_s, self._interval.mean_s)
        if wait_s:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._begin_round)
        else:
            self._begin_round()

    def _begin_round(self) -> None:
        self._timer = None
        self._began_s = self._clock.monotonic()
        # With a busy crowd there is no moment at which all have read everything.
        self._forget_until(min((watcher.position for watcher in self._members), default=self._base))
        self._released = self._end
        self._round = iter(list(self._members))
        self._go_on()

    def _go_on(self) -> None:
        """Some of a round; those who come later in it also get what has come meanwhile."""
        assert self._round is not None
        asked = 0
        for watcher in islice(self._round, WAVE):
            asked += 1
            if watcher.position < self._end:
                watcher.wake()
        if asked == WAVE:
            asyncio.get_running_loop().call_soon(self._go_on)
            return
        self._round = None
        if self._log and self._end > self._released:
            self._plan_round()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # The log

    def _forget_read(self) -> None:
        if self._up_to_date == len(self._members):
            self._log.clear()
            self._logs.bytes -= self.log_bytes
            self.log_bytes = 0
            self._batches.clear()
            self._base = self._end

    def _forget_until(self, position: int) -> None:
        """What came before it: everybody has read that."""
        if position > self._base:
            read = sum(map(size_of, self._log[: position - self._base]))
            self.log_bytes -= read
            self._logs.bytes -= read
            del self._log[: position - self._base]
            self._base = position
            self._batches.clear()

    def cut_off_last(self, oldest: int) -> None:
        """The log is full: who has read nothing of it holds it no longer."""
        for watcher in [each for each in self._members if each.position == self._base]:
            del self._members[watcher]
            watcher.cut(oldest)
        if self._members:
            self._forget_until(min(watcher.position for watcher in self._members))
        self._forget_read()
