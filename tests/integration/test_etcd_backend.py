"""The etcd backend when etcd dies, comes back, compacts, lies elsewhere, or is written to by others."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from etcd_server import EtcdServer, free_port, fresh_prefix, shared_etcd

from apiserver.backends import etcd, etcd_upkeep
from apiserver.backends.backend import Compacted, OutcomeUnknown, StoreUnavailable
from apiserver.backends.etcd import EtcdBackend
from apiserver.backends.etcd_client import EtcdAddressError, EtcdClient, EtcdTls, parse_server
from apiserver.backends.etcd_origin import NotOurStore, begin_filling, end_filling
from apiserver.backends.retention import Retention
from machinery.clock import SystemClock


@pytest.fixture
def own() -> Iterator[EtcdServer]:
    server = EtcdServer().start()
    yield server
    server.remove()


@asynccontextmanager
async def opened(
    server: EtcdServer, prefix: str, *, patience_s: float = 5.0, **more: object
) -> AsyncIterator[EtcdBackend]:
    backend = EtcdBackend(
        [server.url],
        SystemClock(),
        random.Random(1),
        prefix=prefix,
        patience_s=patience_s,
        **more,
    )
    await backend.start()
    try:
        yield backend
    finally:
        await backend.close()


@pytest.mark.parametrize("loop_factory", [None, uvloop.new_event_loop])
def test_etcd_killed_under_load_loses_nothing_acknowledged_and_watches_go_on(
    own: EtcdServer, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None
) -> None:
    async def main() -> None:
        async with opened(own, "", patience_s=3.0) as backend, backend.watch("/", 0) as stream:
            seen: list[tuple[int, str, bytes]] = []
            acknowledged: dict[str, bytes] = {}
            doubtful: set[str] = set()
            progress = asyncio.Event()
            stopping = False

            async def follow() -> None:
                async for batch in stream:
                    seen.extend((c.kv.mod_revision, c.kv.key, c.kv.value) for c in batch)
                    progress.set()

            async def write(worker: int) -> None:
                n = 0
                while not stopping:
                    n += 1
                    key, value = f"/{worker}/{n}", b"%d" % n
                    try:
                        assert (await backend.put(key, value, expect=0)).ok
                        acknowledged[key] = value
                        progress.set()
                    except StoreUnavailable:
                        doubtful.add(key)

            async def written(count: int) -> None:
                wanted = len(acknowledged) + count
                while len(acknowledged) < wanted:
                    progress.clear()
                    await progress.wait()

            async with asyncio.timeout(50), asyncio.TaskGroup() as group:
                follower = group.create_task(follow())
                writers = [group.create_task(write(worker)) for worker in range(8)]
                for _ in range(3):
                    await written(40)
                    own.stop(signal.SIGKILL)
                    await asyncio.to_thread(own.start)
                await written(40)
                stopping = True
                await asyncio.wait(writers)
                newest = await backend.revision()
                while not seen or seen[-1][0] < newest:
                    progress.clear()
                    await progress.wait()
                follower.cancel()
            revisions = [revision for revision, _, _ in seen]
            assert revisions == sorted(set(revisions))
            stored = {kv.key: kv.value for kv in (await backend.range("/")).kvs}
            assert len(acknowledged) > 100
            assert acknowledged.items() <= stored.items()
            assert stored.keys() - acknowledged.keys() <= doubtful
            assert {key: value for _, key, value in seen} == stored
            assert revisions == list(range(1, newest + 1))

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def test_while_etcd_is_gone_callers_are_told_soon_and_then_at_once(own: EtcdServer) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with opened(own, "", patience_s=0.4) as backend:
            await backend.put("/a", b"1")
            own.stop()
            for at_most_s in (1.5, 0.3, 0.3):
                began = loop.time()
                with pytest.raises(StoreUnavailable, match="does not answer"):
                    await backend.get("/a")
                with pytest.raises(StoreUnavailable):
                    await backend.put("/a", b"2")
                with pytest.raises(StoreUnavailable):
                    await backend.revision()
                assert loop.time() - began < 3 * at_most_s
            await asyncio.to_thread(own.start)
            while True:
                try:
                    assert (await backend.put("/a", b"3", expect=1)).ok
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.02)
            kv = await backend.get("/a")
            assert kv is not None and kv.value == b"3"

    asyncio.run(main())


def test_changes_compacted_while_disconnected_cut_the_watch_instead_of_leaving_a_hole(
    own: EtcdServer,
) -> None:
    async def main() -> None:
        async with opened(own, "", patience_s=2.0) as backend, opened(own, "") as other:
            await backend.put("/a", b"1")
            async with backend.watch("/", 0) as stream:
                assert [c.kv.value for c in await anext(stream)] == [b"1"]
                feed = backend._tasks[0]
                feed.cancel()
                await asyncio.gather(feed, return_exceptions=True)
                for n in range(5):
                    await other.put("/a", b"%d" % n)
                await other.compact(5)
                again = asyncio.create_task(backend._feed.run())
                with pytest.raises(Compacted):
                    async with asyncio.timeout(5):
                        await anext(stream)
                again_newest = await backend.revision()
                assert again_newest == 6
                async with backend.watch("/", 5) as fresh:
                    assert [c.kv.mod_revision for c in await anext(fresh)] == [6]
                again.cancel()
                await asyncio.gather(again, return_exceptions=True)

    asyncio.run(main())


def test_etcd_replaced_by_an_empty_one_cuts_every_watch(own: EtcdServer) -> None:
    import shutil

    async def main() -> None:
        async with opened(own, "", patience_s=2.0) as backend:
            for n in range(5):
                await backend.put("/a", b"%d" % n)
            async with backend.watch("/", 5) as stream:
                own.stop()
                shutil.rmtree(own.root / "data")
                await asyncio.to_thread(own.start)
                with pytest.raises(Compacted):
                    async with asyncio.timeout(5):
                        await anext(stream)

    asyncio.run(main())


def test_two_backends_on_one_prefix_agree_on_revisions_from_the_first_moment() -> None:
    async def main() -> None:
        prefix, server = fresh_prefix(), shared_etcd()
        async with opened(server, prefix) as one, opened(server, prefix) as two:
            assert await one.revision() == await two.revision() == 0
            first = await one.put("/a", b"1")
            assert (await two.get("/a")) == first.current
            assert await two.revision() == 1
            results = await asyncio.gather(*(b.put("/a", b"2", expect=1) for b in (one, two) * 5))
            assert sum(result.ok for result in results) == 1
            async with two.watch("/", 0) as stream:
                assert [c.kv.mod_revision for c in await anext(stream)] == [1, 2]

    asyncio.run(main())


def test_other_prefixes_are_neither_seen_nor_touched() -> None:
    async def main() -> None:
        server = shared_etcd()
        prefix = fresh_prefix()
        async with opened(server, prefix) as mine, opened(server, prefix + "x") as theirs:
            await theirs.put("/a", b"theirs")
            async with mine.watch("/", 0) as stream:
                await mine.put("/a", b"mine")
                assert [c.kv.value for c in await anext(stream)] == [b"mine"]
            assert [kv.value for kv in (await mine.range("/")).kvs] == [b"mine"]
            assert [kv.value for kv in (await theirs.range("/")).kvs] == [b"theirs"]

    asyncio.run(main())


def test_keys_of_another_program_are_refused_by_name(own: EtcdServer) -> None:
    async def main() -> None:
        async with opened(own, "/a") as backend:
            await backend.put("/b/registry/pods/x", b"")
        async with opened(own, ""):
            pass
        with pytest.raises(NotOurStore, match=r"1 keys of another program under '/a/b/registry/'"):
            async with opened(own, "/a/b"):
                pass

    asyncio.run(main())


def test_filled_store_goes_on_behind_its_floor_and_hides_what_was_before() -> None:
    async def main() -> None:
        server, prefix = shared_etcd(), fresh_prefix()
        async with opened(server, prefix) as backend:
            await backend.put("/registry/old", b"")
        client = EtcdClient([server.url], SystemClock())
        await client.start()
        origin = await begin_filling(client, prefix, 1_000_000)
        with pytest.raises(NotOurStore, match="not filled to its end"):
            async with opened(server, prefix):
                pass
        await end_filling(client, prefix, origin)
        await client.close()
        async with opened(server, prefix) as backend:
            assert await backend.get("/registry/old") is None
            oldest = await backend.oldest_revision()
            assert 1_000_000 < oldest <= await backend.revision()
            with pytest.raises(Compacted):
                await backend.range("/", revision=oldest - 1)
            with pytest.raises(Compacted):
                async with backend.watch("/", 5):
                    pass
            assert (await backend.put("/new", b"")).revision > oldest

    asyncio.run(main())


def test_oldest_revision_is_found_when_somebody_else_compacted() -> None:
    async def main() -> None:
        server, prefix = shared_etcd(), fresh_prefix()
        async with opened(server, prefix) as one, opened(server, prefix) as two:
            for n in range(40):
                await one.put("/a", b"%d" % n)
            await one.compact(23)
            assert await two.oldest_revision() == 23
            with pytest.raises(Compacted) as caught:
                await two.get("/a", revision=22)
            assert caught.value.oldest == 23
            await two.compact(20)
            await two.compact(30)
            await one.compact(29)
            assert await one.oldest_revision() == await two.oldest_revision() == 30

    asyncio.run(main())


def test_history_bounds_itself() -> None:
    async def main() -> None:
        clock = SystemClock()
        keep = Retention(max_revisions=50, min_revisions=10)
        async with opened(shared_etcd(), fresh_prefix(), retention=keep) as backend:
            for n in range(100):
                await backend.put("/a", b"%d" % n)
            await backend._forget(clock.now())
            assert await backend.oldest_revision() == 50

    asyncio.run(main())


def test_write_that_a_stalled_etcd_swallowed_may_have_been_made(own: EtcdServer) -> None:
    async def main() -> None:
        async with opened(own, "", patience_s=0.3) as backend:
            await backend.put("/a", b"1")
            own.stall()
            with pytest.raises(OutcomeUnknown, match="whether the write was made is not known"):
                await backend.put("/a", b"2")
            with pytest.raises(StoreUnavailable) as read:
                await backend.get("/a")
            assert not isinstance(read.value, OutcomeUnknown)
            own.go_on()
            while True:
                try:
                    kv = await backend.get("/a")
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.02)
            assert kv is not None and kv.value in (b"1", b"2")

    asyncio.run(main())


def test_of_several_servers_one_forgets_history_and_its_age_outlives_them() -> None:
    async def main() -> None:
        prefix, keep = fresh_prefix(), Retention(max_age_s=100.0, max_revisions=None, min_revisions=5)
        compactions: list[str] = []

        async def rounds(times: list[float], *backends: EtcdBackend) -> None:
            for now in times:
                for at, backend in enumerate(backends):
                    before = await backend.oldest_revision()
                    await backend._forget(now)
                    if await backend.oldest_revision() > before:
                        compactions.append(f"{at} at {now:g}")

        async with (
            opened(shared_etcd(), prefix, retention=keep) as one,
            opened(shared_etcd(), prefix, retention=keep) as two,
        ):
            for n in range(20):
                await one.put("/a", b"%d" % n)
            await rounds([0.0, 30.0, 60.0], one, two)
            for n in range(20):
                await two.put("/a", b"%d" % n)
        async with opened(shared_etcd(), prefix, retention=keep) as three:
            await rounds([150.0], three)  # looks first: another may be at it
            assert compactions == []
            await rounds([160.0], three)
            assert compactions == ["0 at 160"]
            assert 20 <= await three.oldest_revision() <= 24

    asyncio.run(main())


def test_watch_from_far_back_reads_etcds_history_by_itself() -> None:
    async def main() -> None:
        server, prefix = shared_etcd(), fresh_prefix()
        async with opened(server, prefix) as one:
            await asyncio.gather(*(one.put(f"/a/{n % 7}", b"%d" % n) for n in range(1500)))
            await one.put("/b", b"")
        async with opened(server, prefix) as two, two.watch("/a/", 0) as stream:
            seen: list[int] = []
            while len(seen) < 1500:
                seen += [change.kv.mod_revision for change in await anext(stream)]
            assert seen == list(range(1, 1501))

    asyncio.run(main())


def test_many_who_ask_for_the_revision_share_few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with opened(shared_etcd(), fresh_prefix()) as backend:
            calls = 0
            call = backend._client.call

            async def counted(*args: object, **more: object) -> bytes:
                nonlocal calls
                calls += 1
                return await call(*args, **more)

            monkeypatch.setattr(backend._client, "call", counted)
            await asyncio.gather(*(backend.revision() for _ in range(500)))
            assert calls <= 3

    asyncio.run(main())


@pytest.mark.parametrize(
    "server", ["", "localhost:2379", "http://localhost", "ftp://h:1", "unix:", "https://:1"]
)
def test_address_that_is_none_is_refused(server: str) -> None:
    with pytest.raises(EtcdAddressError):
        parse_server(server)


def test_addresses_are_read() -> None:
    assert parse_server("http://127.0.0.1:2379/") == ("127.0.0.1:2379", False)
    assert parse_server("https://[::1]:2379") == ("[::1]:2379", True)
    assert parse_server("unix:///run/e") == parse_server("unix:/run/e") == ("unix:/run/e", False)


def test_tls_with_client_certificates_works_and_strangers_are_refused(tmp_path: Path) -> None:
    from standalone.config import free_port
    from standalone.pki import Leaf, ensure_pki, utc_now

    tmp_path.chmod(0o700)
    server_leaf = Leaf("etcd", "etcd", sans=("127.0.0.1",), client=True)
    ensure_pki(tmp_path, [server_leaf, Leaf("client", "kube-apiserver-etcd-client")], utc_now())
    ca, cert, key = (tmp_path / name for name in ("ca.crt", "client.crt", "client.key"))
    etcd = EtcdServer(
        "--client-cert-auth",
        f"--trusted-ca-file={ca}",
        f"--cert-file={tmp_path / 'etcd.crt'}",
        f"--key-file={tmp_path / 'etcd.key'}",
        listen=f"https://127.0.0.1:{free_port()}",
    ).start()

    async def main() -> None:
        tls: EtcdTls | None = EtcdTls(ca, cert, key)
        async with opened(etcd, fresh_prefix(), tls=tls) as backend, backend.watch("/", 0) as stream:
            await backend.put("/a", b"1" * 300_000)
            assert [len(c.kv.value) for c in await anext(stream)] == [300_000]
        for tls in (EtcdTls(ca), EtcdTls(), None):
            with pytest.raises(StoreUnavailable, match=etcd.url):
                async with opened(etcd, "/x", tls=tls, patience_s=0.3):
                    pass
        for tls in (EtcdTls(ca, cert), EtcdTls(tmp_path / "missing")):
            with pytest.raises(EtcdAddressError):
                async with opened(etcd, "/x", tls=tls):
                    pass

    try:
        asyncio.run(main())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    finally:
        etcd.remove()


def test_first_server_down_the_next_one_is_asked(own: EtcdServer) -> None:
    async def main() -> None:
        servers = ["unix:/nowhere/x:1", own.url]
        backend = EtcdBackend(servers, SystemClock(), random.Random(1), patience_s=2.0)
        await backend.start()
        try:
            async with backend.watch("/", 0) as stream:
                assert (await backend.put("/a", b"1")).ok
                assert [c.kv.value for c in await anext(stream)] == [b"1"]
        finally:
            await backend.close()

    asyncio.run(main())


MIB = 1 << 20


async def fill(backend: EtcdBackend, mib: int) -> None:
    """Of each of eight keys, half a MiB at a time."""
    for turn in range(mib * 2):
        await backend.put(f"/{turn % 8}", os.urandom(MIB // 2))


def test_etcd_that_is_full_says_so_and_takes_writes_again_unaided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd, "ROOM_EVERY_S", 0.2)
    server = EtcdServer("--quota-backend-bytes=33554432").start()

    async def main() -> None:
        keep = Retention(min_revisions=10)
        async with opened(server, "", retention=keep, defragment=True) as backend:
            with pytest.raises(StoreUnavailable, match="is full: its file has met its quota") as refused:
                await fill(backend, 60)
            assert not isinstance(refused.value, OutcomeUnknown)
            await backend.get("/0")
            async with asyncio.timeout(15):
                while True:
                    try:
                        await backend.put("/after", b"")
                        break
                    except StoreUnavailable:
                        await asyncio.sleep(0.05)
            assert (await backend.range("/")).kvs[-1].key == "/after"
            figures = backend.figures()
            assert figures.size_bytes < 20 * MIB and figures.defragmented >= 1
        # Of another that may not, history goes all the same, and the way out is told.
        async with opened(server, "", retention=keep) as backend:
            with pytest.raises(StoreUnavailable):
                await fill(backend, 60)
            async with asyncio.timeout(15):
                while backend.figures().used_bytes > 20 * MIB or not backend.figures().used_bytes:
                    await asyncio.sleep(0.05)
                    with suppress(StoreUnavailable):
                        await backend.put("/after", b"")
            assert backend.figures().defragmented == 0
        # What begins while etcd is full mends it before it writes.
        async with opened(server, "", retention=keep, defragment=True) as backend:
            await backend.put("/after", b"")

    try:
        asyncio.run(main())
    finally:
        server.remove()


def test_defragmenting_makes_the_file_smaller_while_writes_wait_and_watches_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two members (here two ways to one), the one that is asked is left before."""
    monkeypatch.setattr(etcd_upkeep, "FREE_BYTES", MIB)
    monkeypatch.setattr(etcd, "HOUSEKEEPING_S", 0.1)
    port = free_port()
    server = EtcdServer(listen=f"http://127.0.0.1:{port}").start()
    other = f"http://localhost:{port}"

    async def main() -> None:
        keep = Retention(max_revisions=20, min_revisions=10)
        backend = EtcdBackend(
            [server.url, other], SystemClock(), random.Random(1), retention=keep, defragment=True
        )
        await backend.start()
        seen: list[int] = []
        news = asyncio.Event()

        async def follow() -> None:
            async with backend.watch("/", 0) as stream:
                async for batch in stream:
                    seen.extend(change.kv.mod_revision for change in batch)
                    news.set()

        following = asyncio.create_task(follow())
        written, largest = [], 0
        async with asyncio.timeout(20):
            for turn in range(10_000):
                answer = await backend.put(f"/{turn % 8}", os.urandom(MIB // 8))
                written.append(answer.revision)
                largest = max(largest, backend.figures().size_bytes)
                if backend.figures().defragmented and backend.figures().size_bytes < largest:
                    break
        assert not backend.figures().defragmenting_failed
        written.append((await backend.put("/last", b"")).revision)
        async with asyncio.timeout(5):
            while not seen or seen[-1] < written[-1]:
                news.clear()
                await news.wait()
        assert seen == written
        following.cancel()
        await backend.close()

    try:
        asyncio.run(main())
    finally:
        server.remove()
