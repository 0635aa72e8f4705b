"""The one thread that writes: takes what has gathered since its last commit and commits it as one.

Operations come in order through `submit` and are answered on the event loop, in order, by one
callback for each commit. A commit that fails stops the thread until the loop has taken back, newest
first, everything that was decided on top of it (`resume`); nothing of the batch was written then.
A second thread moves the write-ahead log into the database, so that no writer waits for that.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from apiserver.backends.backend import KV, TxnResult
from apiserver.backends.sqlite_file import connect

BATCH = 2048
WAL_LIMIT_BYTES = 64 << 20
CHECKPOINT_EVERY_S = 0.5
_ROWS = 64  # of one statement; all sizes fit among the connection's prepared statements
# A statement alone is a transaction: each call of sqlite gives the interpreter's lock away, and has to get it back from a
# busy event loop.
_INSERT = [
    "INSERT INTO writes(rev,key,create_rev,deleted,at,value) VALUES" + ",".join(["(?,?,?,?,?,?)"] * n)
    for n in range(_ROWS + 1)
]


@dataclass(slots=True)
class Op:
    """A decided write (`revision` > 0), or a look at what stands there (`revision` 0), or a purge.

    `read` is a revision whose value the answer needs. `create_before` undoes the decision.
    """

    key: str
    future: asyncio.Future[TxnResult]
    revision: int = 0
    create: int = 0
    value: bytes | None = None
    before: int = 0
    before_create: int = 0
    create_before: int = 0
    read: int = 0
    at_ms: int = 0
    found: bytes = b""


@dataclass(slots=True)
class Purge:
    """Rows to forget; `compacted` is recorded in the same commit."""

    revisions: Sequence[int]
    compacted: int


@dataclass(slots=True)
class Batch:
    ops: list[Op] = field(default_factory=list)
    purges: list[Purge] = field(default_factory=list)


class Writer:
    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        loop: asyncio.AbstractEventLoop,
        committed: Callable[[Batch], None],
        failed: Callable[[Batch, sqlite3.Error], None],
        broken: Callable[[BaseException], None],
    ) -> None:
        """`committed` and `failed` are called on the loop for each batch, `broken` when a thread or one of the two failed."""
        self.used_bytes = 0
        self._path = path
        self._connection = connection
        self._loop = loop
        self._committed = committed
        self._failed = failed
        self._broken = broken
        self._queue: deque[Op | Purge] = deque()
        self._work = threading.Event()
        self._go_on = threading.Event()
        self._dirty = threading.Event()
        self._stop = threading.Event()
        self._wal_full = False
        self._threads = [
            threading.Thread(target=self._guarded, args=(loop,), name=name, daemon=True)
            for name, loop in (
                ("store-writer", self._write_loop),
                ("store-checkpoint", self._checkpoint_loop),
            )
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def submit(self, op: Op | Purge) -> None:
        self._queue.append(op)
        if not self._work.is_set():
            self._work.set()

    def take_back(self) -> list[Op | Purge]:
        """All that still waits, oldest first. Only between a failure and `resume`."""
        waiting = list(self._queue)
        self._queue.clear()
        return waiting

    def resume(self) -> None:
        self._go_on.set()

    def join(self) -> None:
        """Writes what is queued, folds the log into the database and ends both threads. Blocks."""
        self._stop.set()
        self._work.set()
        self._dirty.set()
        for thread in self._threads:
            thread.join()
        self._connection.close()

    def _guarded(self, work: Callable[[], None]) -> None:
        """A thread that ends by what nobody foresaw would leave every later write waiting for ever."""
        try:
            work()
        except BaseException as error:
            self._tell(self._broken, error)

    def _write_loop(self) -> None:
        queue = self._queue
        while True:
            self._work.wait()
            self._work.clear()
            while queue:
                batch = self._gather()
                try:
                    self._commit(batch)
                except sqlite3.Error as error:
                    self._roll_back()
                    self._go_on.clear()
                    if not self._tell(self._failed, batch, error):
                        return
                    self._go_on.wait()
                    continue
                if not self._dirty.is_set():
                    self._dirty.set()
                if not self._tell(self._committed, batch):
                    return
            if self._stop.is_set():
                return

    def _gather(self) -> Batch:
        batch = Batch()
        queue = self._queue
        while queue and len(batch.ops) < BATCH and not batch.purges:
            item = queue.popleft()
            if isinstance(item, Op):
                batch.ops.append(item)
            else:
                batch.purges.append(item)
        return batch

    def _tell(self, callback: Callable[..., None], *args: object) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._call, callback, args)
        except RuntimeError:  # the loop is closed: nobody waits for an answer any more
            return False
        return True

    def _call(self, callback: Callable[..., None], args: tuple[object, ...]) -> None:
        try:
            callback(*args)
        except Exception as error:
            self._broken(error)

    def _commit(self, batch: Batch) -> None:
        execute = self._connection.execute
        writes = [op for op in batch.ops if op.revision]
        alone = (
            len(writes) == len(batch.ops) <= _ROWS and not batch.purges and not any(op.read for op in writes)
        )
        if self._wal_full:
            self._wal_full = False
            execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        if alone:
            self._insert(writes)
            return
        if writes or batch.purges:
            execute("BEGIN IMMEDIATE")
            for i in range(0, len(writes), _ROWS):
                self._insert(writes[i : i + _ROWS])
            for purge in batch.purges:
                self._purge(purge)
        for op in batch.ops:
            if op.read:
                row = execute("SELECT value FROM val WHERE rev=?", (op.read,)).fetchone()
                op.found = row[0] if row else b""
        if writes or batch.purges:
            execute("COMMIT")

    def _insert(self, ops: Sequence[Op]) -> None:
        """At most _ROWS of them."""
        values: list[object] = []
        for op in ops:
            values += (op.revision, op.key, op.create, op.value is None, op.at_ms, op.value)
        self._connection.execute(_INSERT[len(ops)], values)

    def _purge(self, purge: Purge) -> None:
        execute = self._connection.execute
        execute("UPDATE meta SET value=? WHERE name='compacted'", (purge.compacted,))
        for i in range(0, len(purge.revisions), 250):
            some = purge.revisions[i : i + 250]
            marks = ",".join("?" * len(some))
            execute(f"DELETE FROM log WHERE rev IN ({marks})", some)
            execute(f"DELETE FROM val WHERE rev IN ({marks})", some)

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            return  # sqlite has rolled back by itself, as it does when the disk is full

    def _checkpoint_loop(self) -> None:
        connection = connect(self._path, cache_kib=1024)
        wal = self._path.with_name(self._path.name + "-wal")
        try:
            while not self._stop.is_set():
                self._dirty.wait()
                self._dirty.clear()
                self._stop.wait(CHECKPOINT_EVERY_S)
                try:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                    self.used_bytes = self._used(connection)
                    self._wal_full = os.stat(wal).st_size > WAL_LIMIT_BYTES
                except (sqlite3.Error, OSError):
                    continue  # a full disk: the log stays as it is, and the next round tries again
        finally:
            connection.close()

    def _used(self, connection: sqlite3.Connection) -> int:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


def answer(op: Op, revision: int) -> TxnResult:
    """The result of a committed operation; `revision` is the store's newest durable one."""
    if not op.revision:
        current = KV(op.key, op.found, op.before_create, op.read) if op.read else None
        return TxnResult(False, revision, current)
    if op.value is None:
        return TxnResult(True, op.revision, KV(op.key, op.found, op.before_create, op.before))
    return TxnResult(True, op.revision, KV(op.key, op.value, op.create, op.revision))
