"""The default backend: one sqlite file, durable on every answer, with group commit.

`put` decides its compare-and-swap at once against the index in memory and queues the row; the writer
thread commits everything queued in one transaction (`sqlite_writer.py`) and only then are the callers
answered and the watches fed. So a lone writer pays one disk flush, and a thousand share it.

Failure: when a commit fails (disk full, read-only file), every write decided since is taken back and
its caller gets StoreUnavailable; the next write simply tries again.
Reads of values run on one reader thread with a connection of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from apiserver.backends.backend import (
    KV,
    Change,
    FutureRevision,
    RangeResult,
    StoreFailed,
    StoreFigures,
    StoreUnavailable,
    TxnResult,
)
from apiserver.backends.hub import Subscription, WatchHub
from apiserver.backends.keyindex import KeyIndex
from apiserver.backends.retention import MARKS, HistoryAge, Retention
from apiserver.backends.sqlite_file import FileLock, connect, damaged, open_store
from apiserver.backends.sqlite_writer import Batch, Op, Purge, Writer, answer
from apiserver.background import Background
from machinery.clock import Clock

T = TypeVar("T")
Write = tuple[str, int, int, bool]  # as KeyIndex.changes tells it
SLICE = 4096  # revisions looked at in one step of a watch's history
SLICE_BYTES = 1 << 20  # of what they wrote, which is held for a reader that takes its time
PURGE = 256  # rows forgotten in one commit
FETCH = 500  # values read by one statement


class SqliteBackend:
    """`clock` gives the wall time that each write is stamped with. History's age is judged by it only after a start: from
    then on by monotonic time, so that a clock that is set forward forgets nothing."""

    shared = False
    background: Background | None = None

    def __init__(self, path: str | Path, clock: Clock, retention: Retention | None = None) -> None:
        self.path = Path(path)
        self._clock = clock
        self._age = HistoryAge(retention or Retention())
        self._index = KeyIndex()
        self._hub = WatchHub(self._history)
        self._lock = FileLock(self.path)
        self._purge_queued = False
        self._closed = True

    async def start(self) -> None:
        """Raises StoreLocked, StoreDamaged or StoreUnavailable, naming the file."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"cannot make {self.path.parent}: {error.strerror}") from error
        self._lock.acquire()
        try:
            connection = open_store(self.path)
            try:
                dead = self._load(connection)
                self._reader = connect(self.path)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            self._lock.release()
            raise
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[BaseException] = loop.create_future()
        self._writer = Writer(self.path, connection, loop, self._on_committed, self._on_failed, self._break)
        self._writer.start()
        self._closed = False
        if dead:
            self._writer.submit(Purge(dead, self._index.compacted))

    async def close(self) -> None:
        """Writes what was queued. May be called twice, and without start."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._writer.join)
        await asyncio.sleep(0)  # the last batch's answers
        self._hub.close()
        self._pool.shutdown(wait=True)
        self._reader.close()
        self._lock.release()

    async def revision(self) -> int:
        return self._hub.newest

    async def oldest_revision(self) -> int:
        return self._index.compacted

    async def failed(self) -> None:
        failure = await asyncio.shield(self._failure)
        raise StoreFailed(f"the store {self.path} failed: {failure!r}") from failure

    def _break(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_result(error)

    def figures(self) -> StoreFigures:
        """Of the file and its write-ahead log; nothing before the start and where they cannot be looked at."""
        if self._closed:
            return StoreFigures(0, 0)
        size = 0
        for path in (self.path, self.path.with_name(self.path.name + "-wal")):
            with suppress(OSError):
                size += path.stat().st_size
        return StoreFigures(size, self._writer.used_bytes or size)

    async def get(self, key: str, *, revision: int = 0) -> KV | None:
        self._check_open()
        while True:
            as_of = revision or self._hub.newest
            self._index.check(as_of, self._hub.newest)
            held = self._index.at(key, as_of)
            if not held:
                return None
            if kvs := await self._fetch([held]):
                return kvs[held]
            # purged while we read: the newest is newer now, and a given revision fails the check

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> RangeResult:
        self._check_open()
        while True:
            as_of = revision or self._hub.newest
            self._index.check(as_of, self._hub.newest)
            held: list[int] = []
            more = False
            for _, at in self._index.range(prefix, start, as_of):
                if limit and len(held) == limit:
                    more = True
                    break
                held.append(at)
            kvs = await self._fetch(held)
            if len(kvs) == len(held):
                return RangeResult([kvs[at] for at in held], as_of, more)

    async def put(self, key: str, value: bytes, *, expect: int | None = None) -> TxnResult:
        return await self._write(key, value, expect)

    async def delete(self, key: str, *, expect: int | None = None) -> TxnResult:
        return await self._write(key, None, expect)

    def watch(self, prefix: str, from_revision: int) -> Subscription:
        return Subscription(self._hub, prefix, from_revision, self._check_watch)

    async def compact(self, revision: int) -> None:
        if revision > self._hub.newest:
            raise FutureRevision(f"cannot compact to {revision}; the newest is {self._hub.newest}")
        self._index.compact(revision)
        self._queue_purge()

    def _write(self, key: str, value: bytes | None, expect: int | None) -> asyncio.Future[TxnResult]:
        future: asyncio.Future[TxnResult] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(StoreUnavailable(f"{self.path} is closed"))
            return future
        mod, create = self._index.newest(key)
        op = Op(key, future, before=mod, before_create=create)
        if (expect is not None and expect != mod) or (value is None and not mod):
            op.read = mod
        else:
            op.value = value
            if value is None:
                op.read = mod
            op.at_ms = int(self._clock.now() * 1000)
            op.revision, op.create, op.create_before = self._index.append(key, deleted=value is None)
        self._writer.submit(op)
        return future

    def _on_committed(self, batch: Batch) -> None:
        """On the loop: watches first, so that a caller who wakes finds its write already handed out."""
        changes = []
        for op in batch.ops:
            if op.revision:
                kv = KV(op.key, op.value or b"", op.create, op.revision)
                prev = KV(op.key, op.found, op.before_create, op.before) if op.before else None
                changes.append(Change(kv, prev, op.value is None))
        if changes:
            self._hub.publish(changes, changes[-1].kv.mod_revision)
        newest = self._hub.newest
        for op in batch.ops:
            if not op.future.done():
                op.future.set_result(answer(op, newest))
        self._purge_queued = self._purge_queued and not batch.purges
        self._forget(newest)

    def _on_failed(self, batch: Batch, error: sqlite3.Error) -> None:
        ops = [item for item in (*batch.ops, *self._writer.take_back()) if isinstance(item, Op)]
        for op in reversed(ops):
            if op.revision:
                self._index.undo(op.key, op.create_before)
        self._purge_queued = False
        self._writer.resume()
        for op in ops:
            if not op.future.done():
                failure = StoreUnavailable(f"cannot write {self.path}: {error}")
                failure.__cause__ = error
                op.future.set_exception(failure)

    def _forget(self, newest: int) -> None:
        now = self._clock.monotonic()
        self._age.mark(now, newest)
        target = self._age.plan_compaction(now, newest, self._index.compacted, self._writer.used_bytes)
        if target:
            self._index.compact(target)
        if self._index.purging:
            self._queue_purge()

    def _queue_purge(self) -> None:
        """One slice at a time: the next is queued when this one is committed, behind the writes that came."""
        if not self._purge_queued and not self._closed and self._index.purging:
            self._purge_queued = True
            self._writer.submit(Purge(self._index.purge(PURGE), self._index.compacted))

    def _check_watch(self, from_revision: int) -> None:
        self._check_open()
        self._index.check(from_revision, max(from_revision, self._hub.newest))

    async def _history(self, prefix: str, after: int, upto: int) -> tuple[list[Change], int]:
        found, last = self._index.changes(prefix, after, upto, SLICE)
        if not found:
            return [], last
        kvs, count = await self._in_reader(lambda: _read_some(self._reader, found))
        self._index.changes(prefix, after, after, 0)  # compacted while we read?
        if count < len(found):
            found = found[:count]
            last = found[-1][1]
        changes = []
        for key, revision, before, deleted in found:
            prev = kvs[before] if before else None
            created = prev.create_revision if prev else revision
            changes.append(
                Change(KV(key, b"", created, revision) if deleted else kvs[revision], prev, deleted)
            )
        return changes, last

    async def _fetch(self, revisions: Sequence[int]) -> dict[int, KV]:
        """The stored values by revision; one that is purged is missing."""
        if not revisions:
            return {}
        return await self._in_reader(lambda: _read(self._reader, revisions))

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"{self.path} is closed")

    async def _in_reader(self, work: Callable[[], T]) -> T:
        self._check_open()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot read {self.path}: {error}") from error

    def _load(self, connection: sqlite3.Connection) -> list[int]:
        """Fills the index from the file; returns the rows that a purge cut short has left behind."""
        try:
            row = connection.execute("SELECT value FROM meta WHERE name='compacted'").fetchone()
            rows = connection.execute("SELECT rev,key,create_rev,deleted FROM log ORDER BY rev")
            dead = self._index.load(rows, row[0])
            now, monotonic = self._clock.now(), self._clock.monotonic()
            for at_ms, rev in _times(connection, row[0] + 1, self._index.head):
                self._age.mark(monotonic - max(0.0, now - at_ms / 1000), rev)
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            raise damaged(self.path, error) from error
        self._hub.newest = self._index.head
        return dead


def _read(connection: sqlite3.Connection, revisions: Sequence[int]) -> dict[int, KV]:
    found: dict[int, KV] = {}
    for some in _portions(revisions):
        marks = ",".join("?" * len(some))
        rows = connection.execute(
            f"SELECT log.rev, key, create_rev, value FROM log JOIN val USING(rev) WHERE log.rev IN ({marks})",
            some,
        )
        for rev, key, create, value in rows.fetchall():
            found[rev] = KV(key, value, create, rev)
    return found


def _read_some(connection: sqlite3.Connection, writes: Sequence[Write]) -> tuple[dict[int, KV], int]:
    """What the first of `writes` wrote and what stood there before, and how many they are: one at least, then no more than are
    SLICE_BYTES together."""
    wanted = [
        [*([revision] if not deleted else ()), *([before] if before else ())]
        for _, revision, before, deleted in writes
    ]
    sizes: dict[int, int] = {}
    for some in _portions([each for both in wanted for each in both]):
        marks = ",".join("?" * len(some))
        sizes.update(connection.execute(f"SELECT rev, length(value) FROM val WHERE rev IN ({marks})", some))
    taken: list[int] = []
    count = size = 0
    for both in wanted:
        size += sum(sizes.get(each, 0) for each in both)
        if size > SLICE_BYTES and count:
            break
        taken += both
        count += 1
    return _read(connection, taken), count


def _portions(revisions: Sequence[int]) -> Iterator[Sequence[int]]:
    for i in range(0, len(revisions), FETCH):
        yield revisions[i : i + FETCH]


def _times(connection: sqlite3.Connection, first: int, last: int) -> list[tuple[int, int]]:
    """(wall time in ms, revision) of some revisions, evenly spread over the log."""
    step = max(1, (last - first) // MARKS)
    found = []
    for rev in range(first, last + 1, step):
        row = connection.execute("SELECT at FROM log WHERE rev=?", (rev,)).fetchone()
        found.append((row[0], rev))
    return found
