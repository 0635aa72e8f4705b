"""What every backend must do, whatever keeps its bytes. A new backend is one more entry in BACKENDS."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from etcd_server import fresh_prefix, shared_etcd

from apiserver.backends.backend import (
    Backend,
    Change,
    ChangeStream,
    Compacted,
    FutureRevision,
)
from apiserver.backends.memory import MemoryBackend
from apiserver.backends.sqlite import SqliteBackend
from machinery.clock import SystemClock


def etcd(path: Path) -> Backend:
    from apiserver.backends.etcd import EtcdBackend

    return EtcdBackend([shared_etcd().url], SystemClock(), random.Random(1), prefix=fresh_prefix())


BACKENDS: dict[str, Callable[[Path], Backend]] = {
    "etcd": etcd,
    "memory": lambda path: MemoryBackend(SystemClock()),
    "sqlite": lambda path: SqliteBackend(path / "store.db", SystemClock()),
}


@asynccontextmanager
async def opened(make: Callable[[Path], Backend], path: Path) -> AsyncIterator[Backend]:
    backend = make(path)
    await backend.start()
    try:
        yield backend
    finally:
        await backend.close()


Run = Callable[[Callable[[Backend], Awaitable[None]]], None]


@pytest.fixture(params=sorted(BACKENDS))
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    def runner(body: Callable[[Backend], Awaitable[None]]) -> None:
        async def main() -> None:
            async with opened(BACKENDS[request.param], tmp_path) as backend:
                await asyncio.wait_for(body(backend), 20)

        asyncio.run(main())

    return runner


async def take(stream: ChangeStream, count: int) -> list[Change]:
    seen: list[Change] = []
    while len(seen) < count:
        seen.extend(await anext(stream))
    return seen


def shape(change: Change) -> tuple[str, bytes, int, int, bool, int]:
    kv = change.kv
    return (
        kv.key,
        kv.value,
        kv.create_revision,
        kv.mod_revision,
        change.deleted,
        (change.prev.mod_revision if change.prev else 0),
    )


def test_first_write_gets_revision_one_and_is_read_back(run: Run) -> None:
    async def body(b: Backend) -> None:
        assert await b.revision() == 0
        result = await b.put("/a/x", b"1", expect=0)
        assert (result.ok, result.revision) == (True, 1)
        kv = await b.get("/a/x")
        assert kv is not None and result.current == kv
        assert (kv.value, kv.create_revision, kv.mod_revision) == (b"1", 1, 1)
        assert await b.get("/a/none") is None

    run(body)


def test_lost_race_shows_what_won_and_writes_nothing(run: Run) -> None:
    async def body(b: Backend) -> None:
        await b.put("/a/x", b"1")
        await b.put("/a/x", b"2", expect=1)
        for expect in (0, 1):
            lost = await b.put("/a/x", b"3", expect=expect)
            assert not lost.ok and lost.revision == 2
            assert (
                lost.current is not None and lost.current.value == b"2" and lost.current.create_revision == 1
            )
        absent = await b.put("/a/none", b"3", expect=7)
        assert not absent.ok and absent.current is None
        assert await b.revision() == 2

    run(body)


def test_concurrent_creates_of_one_key_have_one_winner(run: Run) -> None:
    async def body(b: Backend) -> None:
        results = await asyncio.gather(*(b.put("/a/x", b"%d" % i, expect=0) for i in range(20)))
        winners = [r for r in results if r.ok]
        assert len(winners) == 1
        assert all(r.current == winners[0].current for r in results)

    run(body)


def test_delete_returns_what_was_deleted_and_recreate_starts_anew(run: Run) -> None:
    async def body(b: Backend) -> None:
        await b.put("/a/x", b"1")
        gone = await b.delete("/a/x", expect=1)
        assert gone.ok and gone.revision == 2
        assert gone.current is not None and gone.current.value == b"1" and gone.current.mod_revision == 1
        assert await b.get("/a/x") is None
        again = await b.delete("/a/x")
        assert not again.ok and again.current is None and await b.revision() == 2
        await b.put("/a/x", b"2", expect=0)
        kv = await b.get("/a/x")
        assert kv is not None and kv.create_revision == 3
        wrong = await b.delete("/a/x", expect=1)
        assert not wrong.ok and wrong.current == kv

    run(body)


def test_range_is_ordered_limited_and_resumed_at_its_revision(run: Run) -> None:
    async def body(b: Backend) -> None:
        for name in ("c", "a", "b", "d"):
            await b.put(f"/p/{name}", name.encode())
        await b.put("/q/z", b"")
        page = await b.range("/p/", limit=2)
        assert [kv.key for kv in page.kvs] == ["/p/a", "/p/b"] and page.more and page.revision == 5
        await b.delete("/p/c")
        await b.put("/p/bb", b"")
        rest = await b.range("/p/", start="/p/b\0", revision=page.revision)
        assert [kv.key for kv in rest.kvs] == ["/p/c", "/p/d"] and not rest.more and rest.revision == 5
        newest = await b.range("/p/")
        assert [kv.key for kv in newest.kvs] == ["/p/a", "/p/b", "/p/bb", "/p/d"] and newest.revision == 7
        exact = await b.range("/p/", limit=4)
        assert len(exact.kvs) == 4 and not exact.more

    run(body)


def test_past_values_are_read_at_their_revision(run: Run) -> None:
    async def body(b: Backend) -> None:
        await b.put("/a/x", b"1")
        await b.put("/a/y", b"-")
        await b.put("/a/x", b"2")
        await b.delete("/a/x")
        await b.put("/a/x", b"3")
        values = []
        for revision in range(1, 6):
            kv = await b.get("/a/x", revision=revision)
            values.append((kv.value, kv.create_revision, kv.mod_revision) if kv else None)
        assert values == [(b"1", 1, 1), (b"1", 1, 1), (b"2", 1, 3), None, (b"3", 5, 5)]
        with pytest.raises(FutureRevision):
            await b.get("/a/x", revision=6)
        with pytest.raises(FutureRevision):
            await b.range("/a/", revision=6)

    run(body)


def test_watch_replays_history_then_follows(run: Run) -> None:
    async def body(b: Backend) -> None:
        await b.put("/a/x", b"1")
        await b.put("/b/x", b"other")
        await b.put("/a/x", b"2")
        async with b.watch("/a/", 0) as stream:
            first = await take(stream, 2)
            await b.delete("/a/x")
            await b.put("/b/x", b"other")
            await b.put("/a/y", b"3")
            assert [shape(c) for c in [*first, *await take(stream, 2)]] == [
                ("/a/x", b"1", 1, 1, False, 0),
                ("/a/x", b"2", 1, 3, False, 1),
                ("/a/x", b"", 1, 4, True, 3),
                ("/a/y", b"3", 6, 6, False, 0),
            ]
            assert first[1].prev is not None and first[1].prev.value == b"1"
            await b.put("/b/x", b"other")
            assert stream.progress == 7

    run(body)


def test_watch_from_the_middle_sees_only_what_is_newer(run: Run) -> None:
    async def body(b: Backend) -> None:
        for i in range(5):
            await b.put("/a/x", b"%d" % i)
        async with b.watch("/a/", 3) as stream:
            assert [c.kv.mod_revision for c in await take(stream, 2)] == [4, 5]

    run(body)


def test_watch_feeds_a_write_before_its_caller_goes_on(run: Run) -> None:
    async def body(b: Backend) -> None:
        async with b.watch("/a/", 0) as stream:
            seen: list[int] = []

            async def follow() -> None:
                async for batch in stream:
                    seen.extend(c.kv.mod_revision for c in batch)

            task = asyncio.create_task(follow())
            await asyncio.sleep(0)
            for i in range(1, 20):
                await b.put("/a/x", b"%d" % i)
                await asyncio.sleep(0)
                assert seen[-1] == i
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body)


def test_unread_watch_loses_nothing_however_long_it_waits(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apiserver.backends.hub.BUFFER", 1500)

    async def body(b: Backend) -> None:
        async with b.watch("/a/", 0) as stream:
            await b.put("/a/x", b"")
            assert len(await take(stream, 1)) == 1
            for _ in range(5):
                await asyncio.gather(*(b.put(f"/a/{i}", b"") for i in range(1000)))
            assert [c.kv.mod_revision for c in await take(stream, 5000)] == list(range(2, 5002))

    run(body)


def test_compaction_keeps_the_newest_and_forgets_the_rest(run: Run) -> None:
    async def body(b: Backend) -> None:
        for i in range(4):
            await b.put("/a/x", b"%d" % i)
        await b.put("/a/y", b"-")
        await b.delete("/a/y")
        await b.put("/a/z", b"-")
        await b.compact(6)
        assert await b.oldest_revision() == 6
        with pytest.raises(Compacted) as caught:
            await b.get("/a/x", revision=5)
        assert caught.value.oldest == 6
        with pytest.raises(Compacted):
            await b.range("/a/", revision=1)
        with pytest.raises(Compacted):
            async with b.watch("/a/", 5):
                pass
        kept = await b.range("/a/", revision=6)
        assert [(kv.key, kv.value, kv.mod_revision, kv.create_revision) for kv in kept.kvs] == [
            ("/a/x", b"3", 4, 1)
        ]
        async with b.watch("/a/", 6) as stream:
            assert [c.kv.mod_revision for c in await take(stream, 1)] == [7]
        await b.compact(3)
        assert await b.oldest_revision() == 6
        with pytest.raises(FutureRevision):
            await b.compact(8)

    run(body)


def test_watch_that_fell_behind_a_compaction_is_told(run: Run) -> None:
    async def body(b: Backend) -> None:
        await b.put("/a/x", b"1")
        async with b.watch("/a/", 0) as stream:
            await b.put("/a/x", b"2")
            await b.compact(2)
            with pytest.raises(Compacted):
                await anext(stream)

    run(body)


def test_values_of_any_bytes_and_sizes_come_back(run: Run) -> None:
    async def body(b: Backend) -> None:
        values = [b"", b"\0" * 10, bytes(range(256)) * 4000, "ü".encode()]
        for i, value in enumerate(values):
            await b.put(f"/a/{i}", value)
        assert [kv.value for kv in (await b.range("/a/")).kvs] == values

    run(body)
