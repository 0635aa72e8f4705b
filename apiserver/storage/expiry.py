"""Removes objects some time after they were last written (Events), as an etcd lease would.

Time is monotonic: a wall clock that is set forward removes nothing early. Only what was written before the start is judged by
the times that it tells of itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress

import orjson

from apiserver.backends.backend import Backend, StoreUnavailable
from apiserver.storage.store import Entry
from machinery.clock import Clock, parse_rfc3339

AT_ONCE = 64


class Expiry:
    """A queue of (deadline, key, revision); one whose object was written since is passed over."""

    def __init__(self, ttl_s: float, clock: Clock) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._queue: deque[tuple[float, str, int]] = deque()

    def sweep_every_s(self, at_most_s: float) -> float:
        return min(at_most_s, self._ttl_s / 10)

    def add(self, entry: Entry) -> None:
        self._queue.append((self._clock.monotonic() + self._ttl_s, entry.key, entry.revision))

    def load(self, entries: Iterable[Entry]) -> None:
        """After a start: the last time that an object itself tells of counts as its last write."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        loaded = []
        for entry in entries:
            age_s = max(0.0, now - last_touched(orjson.loads(entry.data), now))
            loaded.append((monotonic + self._ttl_s - age_s, entry.key, entry.revision))
        self._queue = deque(sorted(loaded))

    async def sweep(self, entries: Mapping[str, Entry], backend: Backend) -> None:
        """Deletes what is due, some at once. An unavailable backend leaves the rest for the next sweep."""
        now = self._clock.monotonic()
        while self._queue and self._queue[0][0] <= now:
            due: list[tuple[float, str, int]] = []
            while self._queue and self._queue[0][0] <= now and len(due) < AT_ONCE:
                one = self._queue.popleft()
                entry = entries.get(one[1])
                if entry is not None and entry.revision == one[2]:
                    due.append(one)
            results = await asyncio.gather(
                *(backend.delete(key, expect=revision) for _, key, revision in due), return_exceptions=True
            )
            failed = [
                one for one, result in zip(due, results, strict=True) if isinstance(result, StoreUnavailable)
            ]
            if failed:
                self._queue.extendleft(reversed(failed))
                return


def last_touched(obj: dict[str, object], default: float) -> float:
    """The newest of an Event's times, in epoch seconds."""
    series = obj.get("series")
    metadata = obj.get("metadata")
    texts = [obj.get("lastTimestamp"), obj.get("eventTime"), obj.get("deprecatedLastTimestamp")]
    texts.append(series.get("lastObservedTime") if isinstance(series, dict) else None)
    texts.append(metadata.get("creationTimestamp") if isinstance(metadata, dict) else None)
    times = []
    for text in texts:
        if isinstance(text, str):
            with suppress(ValueError):
                times.append(parse_rfc3339(text))
    return max(times, default=default)
