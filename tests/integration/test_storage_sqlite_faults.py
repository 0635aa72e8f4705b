"""What the sqlite backend does when its file is full, locked, foreign, half-made, or its process killed."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import select
import signal
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apiserver.backends.backend import StoreUnavailable
from apiserver.backends.sqlite import SqliteBackend
from apiserver.backends.sqlite_file import StoreDamaged, StoreLocked
from machinery.clock import SystemClock


def backend_at(path: Path) -> SqliteBackend:
    return SqliteBackend(path, SystemClock())


@contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    """As a full disk: files of this process cannot grow beyond the limit."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_refuses_writes_keeps_reads_and_recovers_unaided(tmp_path: Path) -> None:
    async def main() -> None:
        backend = backend_at(tmp_path / "s.db")
        await backend.start()
        await backend.put("/a/x", b"before")
        async with backend.watch("/a/", 1) as stream:
            with file_size_limit(200_000):
                big = [backend.put(f"/a/{i}", b"b" * 50_000) for i in range(40)]
                results = await asyncio.gather(*big, return_exceptions=True)
                refused = [r for r in results if isinstance(r, StoreUnavailable)]
                assert refused and all(str(tmp_path) in str(r) for r in refused)
                assert len(refused) + sum(not isinstance(r, BaseException) for r in results) == 40
                kv = await backend.get("/a/x")
                assert kv is not None and kv.value == b"before"
                kept = await backend.revision()
                assert kept == 1 + 40 - len(refused)
            after = await backend.put("/a/y", b"after", expect=0)
            assert after.ok and after.revision == kept + 1
            seen: list[int] = []
            while len(seen) < kept:
                seen.extend(c.kv.mod_revision for c in await anext(stream))
            assert seen == list(range(2, kept + 2))
        await backend.close()
        again = backend_at(tmp_path / "s.db")
        await again.start()
        assert await again.revision() == kept + 1
        await again.close()

    asyncio.run(main())


def test_second_opener_is_told_who_has_the_file(tmp_path: Path) -> None:
    async def main() -> None:
        first, second = backend_at(tmp_path / "s.db"), backend_at(tmp_path / "s.db")
        await first.start()
        with pytest.raises(StoreLocked, match=f"s.db is in use by process {os.getpid()}"):
            await second.start()
        await first.close()
        await second.start()
        await second.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"this is no database, only text " * 40), "damaged"),
        (
            lambda path: sqlite3.connect(path).execute("CREATE TABLE t(x)").connection.close(),
            "another program",
        ),
    ],
)
def test_foreign_file_is_named_and_left_alone(tmp_path: Path, make: object, message: str) -> None:
    path = tmp_path / "s.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match=message):
        asyncio.run(backend_at(path).start())
    assert path.read_bytes() == before


def test_other_schema_version_is_named(tmp_path: Path) -> None:
    async def make() -> None:
        backend = backend_at(tmp_path / "s.db")
        await backend.start()
        await backend.close()

    asyncio.run(make())
    connection = sqlite3.connect(tmp_path / "s.db")
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(StoreDamaged, match="schema version 9, this program reads version 1"):
        asyncio.run(make())


def test_lost_row_is_noticed_at_start(tmp_path: Path) -> None:
    async def make() -> None:
        backend = backend_at(tmp_path / "s.db")
        await backend.start()
        for i in range(3):
            await backend.put("/a/x", b"%d" % i)
        await backend.close()

    asyncio.run(make())
    connection = sqlite3.connect(tmp_path / "s.db")
    with connection:
        connection.execute("DELETE FROM log WHERE rev = 2")
    connection.close()
    with pytest.raises(StoreDamaged, match="revisions 2 to 2 are missing"):
        asyncio.run(backend_at(tmp_path / "s.db").start())


def test_file_whose_making_was_cut_short_is_made(tmp_path: Path) -> None:
    (tmp_path / "s.db").touch()

    async def main() -> None:
        backend = backend_at(tmp_path / "s.db")
        await backend.start()
        assert (await backend.put("/a/x", b"")).revision == 1
        await backend.close()

    asyncio.run(main())


def test_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="file"):
        asyncio.run(backend_at(tmp_path / "file" / "s.db").start())


ROUNDS = 50
RECORD = struct.Struct("<QHQ")  # revision, key number, value number


def value_of(number: int) -> bytes:
    return b"%d:" % number + bytes([number % 251]) * (number % 3000)


def write_forever(path: Path, pipe: int, seed: int) -> None:
    """The server that will be killed: many writers; every acknowledged write is told through the pipe."""

    async def main() -> None:
        backend = backend_at(path)
        await backend.start()
        rng = random.Random(seed)
        numbers = iter(range(seed * 10_000_000, (seed + 1) * 10_000_000))

        async def writer() -> None:
            for number in numbers:
                key = rng.randrange(100)
                if rng.random() < 0.1:
                    await backend.delete(f"/k/{key}")
                    continue
                result = await backend.put(f"/k/{key}", value_of(number))
                os.write(pipe, RECORD.pack(result.revision, key, number))

        await asyncio.gather(*(writer() for _ in range(32)))

    asyncio.run(main())


def acknowledged_until_killed(path: Path, seed: int, rng: random.Random) -> list[tuple[int, int, int]]:
    reader, pipe = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            write_forever(path, pipe, seed)
        finally:
            os._exit(1)
    os.close(pipe)
    told = b""
    deadline: float | None = None
    while deadline is None or time.monotonic() < deadline:
        if select.select([reader], [], [], 0.001)[0]:
            told += os.read(reader, 65536)
            deadline = deadline or time.monotonic() + rng.uniform(0.002, 0.08)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while piece := os.read(reader, 65536):
        told += piece
    os.close(reader)
    return list(RECORD.iter_unpack(told[: len(told) // RECORD.size * RECORD.size]))


def test_killed_fifty_times_under_load_loses_no_acknowledged_write(tmp_path: Path) -> None:
    path, rng = tmp_path / "s.db", random.Random(7)
    seen: set[int] = set()

    async def verify(acknowledged: list[tuple[int, int, int]]) -> None:
        backend = backend_at(path)
        await backend.start()
        newest = await backend.revision()
        assert newest >= max(revision for revision, _, _ in acknowledged)
        for revision, key, number in acknowledged:
            kv = await backend.get(f"/k/{key}", revision=revision)
            assert kv is not None and kv.mod_revision == revision and kv.value == value_of(number)
        await backend.compact(newest)  # the next round's start stays short, and compaction meets the kill too
        await backend.close()

    for seed in range(1, ROUNDS + 1):
        acknowledged = acknowledged_until_killed(path, seed, rng)
        revisions = {revision for revision, _, _ in acknowledged}
        assert len(revisions) == len(acknowledged) > 0
        assert not revisions & seen, "a revision was given twice"
        seen |= revisions
        asyncio.run(verify(acknowledged))
