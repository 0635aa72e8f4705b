"""The sqlite file of a store: its shape, its lock, and what can be wrong with it.

Two append-only tables, so that a write touches no index: `log` says which key each revision wrote,
`val` holds its bytes. At start only `log` is read. `meta` holds how far history is compacted.

    log(rev, key, create_rev, deleted, at)     at: wall time in milliseconds
    val(rev, value)                            no row for a tombstone

Nothing here runs on the event loop's thread once the store is open.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path

from apiserver.backends.backend import StoreUnavailable

APPLICATION_ID = 0x6B63746C  # "kctl"
SCHEMA_VERSION = 1
WAL_KEPT_BYTES = 4 << 20  # what a burst made longer is given back to the disk
_DDL = (
    "CREATE TABLE log(rev INTEGER PRIMARY KEY, key TEXT NOT NULL, create_rev INTEGER NOT NULL,"
    " deleted INTEGER NOT NULL, at INTEGER NOT NULL)",
    "CREATE TABLE val(rev INTEGER PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
    "INSERT INTO meta VALUES('compacted', 0)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
# What the writer's connection has for itself, and the file knows nothing of: a row put into `writes` goes into both tables.
_WRITES = (
    "PRAGMA temp_store=MEMORY",
    "CREATE TEMP VIEW writes AS SELECT rev, key, create_rev, deleted, at, NULL AS value FROM main.log",
    "CREATE TEMP TRIGGER written INSTEAD OF INSERT ON writes BEGIN"
    " INSERT INTO log VALUES(NEW.rev, NEW.key, NEW.create_rev, NEW.deleted, NEW.at);"
    " INSERT INTO val SELECT NEW.rev, NEW.value WHERE NOT NEW.deleted;"
    " END",
)


class StoreLocked(StoreUnavailable):
    """Another process has this file open."""


class StoreDamaged(StoreUnavailable):
    """The file is not a store of ours, or of another version, or broken. The message says what to do."""


class FileLock:
    """An flock on `<file>.lock`, which names its holder. Beside the database, whose own locks are sqlite's."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._fd = -1

    def acquire(self) -> None:
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"cannot open {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(fd, 64, 0).decode(errors="replace").strip()
            os.close(fd)
            raise StoreLocked(
                f"{self._path.with_suffix('')} is in use by process {holder or 'unknown'}: "
                "stop that one first, or give this one a data directory of its own"
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def connect(path: Path, *, cache_kib: int = 4096) -> sqlite3.Connection:
    """A connection that makes every commit durable and leaves checkpoints to the checkpointer."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        for pragma in (
            "synchronous=FULL",
            "wal_autocheckpoint=0",
            f"journal_size_limit={WAL_KEPT_BYTES}",
            f"cache_size=-{cache_kib}",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def open_store(path: Path) -> sqlite3.Connection:
    """The writer's connection to an existing or a new store. Raises StoreDamaged, StoreUnavailable.

    A file whose making was cut short is empty (it is made in one transaction) and simply made.
    """
    try:
        if not path.exists():
            path.touch(0o600)
        connection = connect(path, cache_kib=8192)
        try:
            _prepare(connection, path)
            for statement in _WRITES:
                connection.execute(statement)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.OperationalError) as error:
        raise StoreUnavailable(f"cannot open {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error
    return connection


def damaged(path: Path, why: object) -> StoreDamaged:
    return StoreDamaged(
        f"{path} is damaged: {why}. `kctl store restore FILE` puts a snapshot in its place; without one, move it away "
        "to begin anew"
    )


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not tables:
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        for statement in _DDL:
            connection.execute(statement)
        connection.execute("COMMIT")
        return
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreDamaged(f"{path} is a database of another program: choose another file")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise StoreDamaged(
            f"{path} has schema version {version}, this program reads version {SCHEMA_VERSION}: "
            "use the version that wrote it, or move the file away to begin anew"
        )
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
