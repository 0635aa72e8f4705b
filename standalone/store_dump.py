"""All objects of a store at one moment, and how they get into and out of a sqlite file and an etcd.

A dump has the newest value of every key and the store's newest revision; history stays behind. A sqlite file written
from one is a store like any other, and also what `kctl store snapshot` writes: revisions are kept to the number. In
etcd every key is written anew, with revisions above `floor`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from apiserver.backends.backend import KV, StoreUnavailable
from apiserver.backends.etcd_client import RANGE, TXN, EtcdClient, EtcdTls
from apiserver.backends.etcd_messages import prefix_end, put_txn, range_answer, range_request
from apiserver.backends.etcd_origin import ROOT, begin_filling, end_filling, read_origin, remove_origin
from apiserver.backends.sqlite_file import APPLICATION_ID, SCHEMA_VERSION, damaged, open_store
from machinery.clock import SystemClock
from standalone.store_etcd import EtcdAddress

T = TypeVar("T")
_AT_ONCE = 64
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Dump:
    head: int  # the store's newest revision
    kvs: Sequence[KV]  # by key

    def contents(self) -> dict[str, bytes]:
        return {kv.key: kv.value for kv in self.kvs}


# sqlite


def read_sqlite(path: Path) -> Dump:
    """Also of a store that is in use. Raises StoreUnavailable, StoreDamaged, FileNotFoundError."""
    if not path.exists():
        raise FileNotFoundError(f"there is no store at {path}")
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as connection:
            execute = connection.execute
            execute("BEGIN")
            marks = [execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
            if marks != [APPLICATION_ID, SCHEMA_VERSION]:
                raise damaged(path, "it is no store of this version of kctl")
            compacted = execute("SELECT value FROM meta WHERE name='compacted'").fetchone()[0]
            newest = execute("SELECT coalesce(max(rev), 0) FROM log").fetchone()[0]
            rows = execute(
                "SELECT log.key, value, create_rev, log.rev FROM log JOIN val USING(rev)"
                " JOIN (SELECT key, max(rev) AS newest FROM log GROUP BY key) AS last ON last.newest = log.rev"
                " WHERE deleted = 0 ORDER BY log.key"
            )
            return Dump(max(compacted, newest), [KV(*row) for row in rows])
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"cannot read {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error


def write_sqlite(path: Path, dump: Dump, floor: int, now: float) -> None:
    """Takes the place of what is at `path`, at once and whole. The next revision will be above `floor`.

    Not while that store is in use. Raises StoreUnavailable.
    """
    new = path.with_name(f".{path.name}.new")
    _remove(new)
    head, at_ms = max(dump.head, floor), int(now * 1000)
    try:
        with closing(open_store(new)) as connection:
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO log(rev, key, create_rev, deleted, at) VALUES(?, ?, ?, 0, ?)",
                ((kv.mod_revision, kv.key, kv.create_revision, at_ms) for kv in dump.kvs),
            )
            connection.executemany(
                "INSERT INTO val(rev, value) VALUES(?, ?)", ((kv.mod_revision, kv.value) for kv in dump.kvs)
            )
            connection.execute("UPDATE meta SET value = ? WHERE name = 'compacted'", (head,))
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if path.exists():
            _fold(path)
        _sync(new)
        os.rename(new, path)
        _sync(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"cannot write {path}: {error}") from error
    finally:
        _remove(new)


def _fold(path: Path) -> None:
    """No write-ahead log of the old file may be left to be taken for one of the new."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.DatabaseError:
        pass  # damaged: it goes with its log
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# etcd


def is_filled(address: EtcdAddress) -> bool:
    """Whether a whole store is there; one whose filling was cut short is none. Raises StoreUnavailable."""

    async def look(client: EtcdClient, prefix: str) -> bool:
        found = await read_origin(client, prefix)
        return found is not None and found[1] == "ready"

    return asyncio.run(_with_client(address, look))


def read_etcd(address: EtcdAddress) -> Dump | None:
    """None where there is no store. Raises StoreUnavailable."""
    return asyncio.run(_with_client(address, _read))


def write_etcd(address: EtcdAddress, dump: Dump, floor: int) -> None:
    """Takes the place of what is there. Until it is whole no API server starts on it. Raises StoreUnavailable."""

    async def write(client: EtcdClient, prefix: str) -> None:
        origin = await begin_filling(client, prefix, max(dump.head, floor))
        for i in range(0, len(dump.kvs), _AT_ONCE):
            puts = (put_txn(origin.key(kv.key), kv.value, None) for kv in dump.kvs[i : i + _AT_ONCE])
            await asyncio.gather(*(client.call(TXN, put) for put in puts))
        await end_filling(client, prefix, origin)

    asyncio.run(_with_client(address, write))


def remove_etcd(address: EtcdAddress) -> None:
    """Leaves nothing of the store. Raises StoreUnavailable."""
    asyncio.run(_with_client(address, remove_origin))


async def _read(client: EtcdClient, prefix: str) -> Dump | None:
    found = await read_origin(client, prefix)
    if found is None:
        return None
    origin, state = found
    if state != "ready":
        raise StoreUnavailable(f"the store in etcd at {client.name} was not filled to its end")
    at, end, revision = origin.key(ROOT), prefix_end(origin.key(ROOT)), 0
    kvs: list[KV] = []
    while True:
        request = range_request(at, end, limit=_PAGE, revision=revision)
        answer = range_answer(await client.call(RANGE, request))
        revision = revision or answer.revision
        kvs += map(origin.kv, answer.kvs)
        if not answer.more:
            return Dump(revision + origin.shift, kvs)
        at = answer.kvs[-1].key + b"\0"


async def _with_client(address: EtcdAddress, work: Callable[[EtcdClient, str], Awaitable[T]]) -> T:
    ca, cert, key = (Path(file) if file else None for file in (address.ca, address.cert, address.key))
    client = EtcdClient(address.servers.split(","), SystemClock(), EtcdTls(ca, cert, key))
    await client.start()
    try:
        return await work(client, address.prefix)
    finally:
        await client.close()
