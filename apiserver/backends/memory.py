"""A backend that keeps everything in memory: for tests, the simulator and clusters that may forget.

No threads, no I/O, no clock of its own: on a virtual-time loop it behaves the same every time.
"""

from __future__ import annotations

import asyncio

from apiserver.backends.backend import KV, Change, FutureRevision, RangeResult, StoreFigures, TxnResult
from apiserver.backends.hub import Subscription, WatchHub
from apiserver.backends.keyindex import KeyIndex
from apiserver.backends.retention import HistoryAge, Retention
from apiserver.background import Background
from machinery.clock import Clock

SLICE = 4096  # revisions looked at in one step of a watch's history
PURGE = 512  # writes forgotten for each write taken


class MemoryBackend:
    """`clock` is only asked for the age of history; without one, age does not bound it.

    What is kept ends with the process, but clients remember revisions. `after` is a revision that none of an earlier
    process's can be above: then whoever comes with one of those is told to list again, and no revision has two meanings.
    """

    shared = False
    background: Background | None = None

    def __init__(
        self, clock: Clock | None = None, retention: Retention | None = None, *, after: int = 0
    ) -> None:
        self._clock = clock
        self._age = HistoryAge(retention or Retention(max_revisions=50_000, max_bytes=256 << 20))
        self._index = KeyIndex(after)
        self._values: dict[int, KV] = {}  # by mod revision; a tombstone's value is empty
        self._bytes = 0
        self._hub = WatchHub(self._history)
        self._hub.newest = after

    async def start(self) -> None:
        """Also after `close`: what it holds is still there."""
        self._hub.closed = False

    async def close(self) -> None:
        self._hub.close()

    async def revision(self) -> int:
        return self._index.head

    async def oldest_revision(self) -> int:
        return self._index.compacted

    async def failed(self) -> None:
        await asyncio.Event().wait()  # nothing runs here

    def figures(self) -> StoreFigures:
        return StoreFigures(self._bytes, self._bytes)

    async def get(self, key: str, *, revision: int = 0) -> KV | None:
        revision = revision or self._index.head
        self._index.check(revision, self._index.head)
        held = self._index.at(key, revision)
        return self._values[held] if held else None

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> RangeResult:
        revision = revision or self._index.head
        self._index.check(revision, self._index.head)
        kvs: list[KV] = []
        for _, held in self._index.range(prefix, start, revision):
            if limit and len(kvs) == limit:
                return RangeResult(kvs, revision, True)
            kvs.append(self._values[held])
        return RangeResult(kvs, revision, False)

    async def put(self, key: str, value: bytes, *, expect: int | None = None) -> TxnResult:
        return self._write(key, value, expect)

    async def delete(self, key: str, *, expect: int | None = None) -> TxnResult:
        return self._write(key, None, expect)

    def watch(self, prefix: str, from_revision: int) -> Subscription:
        return Subscription(self._hub, prefix, from_revision, self._check_watch)

    async def compact(self, revision: int) -> None:
        if revision > self._index.head:
            raise FutureRevision(f"cannot compact to {revision}; the newest is {self._index.head}")
        self._index.compact(revision)
        while self._index.purging:
            self._purge()

    def _write(self, key: str, value: bytes | None, expect: int | None) -> TxnResult:
        mod, _ = self._index.newest(key)
        prev = self._values[mod] if mod else None
        if (expect is not None and expect != mod) or (value is None and not mod):
            return TxnResult(False, self._index.head, prev)
        revision, create, _ = self._index.append(key, deleted=value is None)
        kv = self._values[revision] = KV(key, value or b"", create, revision)
        self._bytes += len(kv.value)
        self._hub.publish((Change(kv, prev, value is None),), revision)
        self._forget(revision)
        return TxnResult(True, revision, prev if value is None else kv)

    def _forget(self, revision: int) -> None:
        now = self._clock.monotonic() if self._clock else 0.0
        if self._clock:
            self._age.mark(now, revision)
        target = self._age.plan_compaction(now, revision, self._index.compacted, self._bytes)
        if target:
            self._index.compact(target)
        if self._index.purging:
            self._purge()

    def _purge(self) -> None:
        for revision in self._index.purge(PURGE):
            self._bytes -= len(self._values.pop(revision).value)

    def _check_watch(self, from_revision: int) -> None:
        self._index.check(from_revision, max(from_revision, self._index.head))

    async def _history(self, prefix: str, after: int, upto: int) -> tuple[list[Change], int]:
        found, last = self._index.changes(prefix, after, upto, SLICE)
        values = self._values
        changes = [
            Change(values[revision], values[before] if before else None, deleted)
            for _, revision, before, deleted in found
        ]
        return changes, last
