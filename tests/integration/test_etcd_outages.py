"""The etcd backend when etcd is killed, stalls, is gone for a while, or comes back as another."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
from collections.abc import Callable

import pytest
import uvloop
from etcd_server import EtcdServer
from opened_etcd import opened

from apiserver.backends.backend import Compacted, OutcomeUnknown, StoreUnavailable
from apiserver.backends.etcd import EtcdBackend
from machinery.clock import SystemClock


@pytest.mark.parametrize("loop_factory", [None, uvloop.new_event_loop])
def test_etcd_killed_under_load_loses_nothing_acknowledged_and_watches_go_on(
    own_etcd: EtcdServer, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None
) -> None:
    async def main() -> None:
        async with opened(own_etcd, "", patience_s=3.0) as backend, backend.watch("/", 0) as stream:
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
                    own_etcd.stop(signal.SIGKILL)
                    await asyncio.to_thread(own_etcd.start)
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


def test_while_etcd_is_gone_callers_are_told_soon_and_then_at_once(own_etcd: EtcdServer) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with opened(own_etcd, "", patience_s=0.4) as backend:
            await backend.put("/a", b"1")
            own_etcd.stop()
            for at_most_s in (1.5, 0.3, 0.3):
                began = loop.time()
                with pytest.raises(StoreUnavailable, match="does not answer"):
                    await backend.get("/a")
                with pytest.raises(StoreUnavailable):
                    await backend.put("/a", b"2")
                with pytest.raises(StoreUnavailable):
                    await backend.revision()
                assert loop.time() - began < 3 * at_most_s
            await asyncio.to_thread(own_etcd.start)
            while True:
                try:
                    assert (await backend.put("/a", b"3", expect=1)).ok
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.02)
            kv = await backend.get("/a")
            assert kv is not None and kv.value == b"3"

    asyncio.run(main())


def test_write_that_a_stalled_etcd_swallowed_may_have_been_made(own_etcd: EtcdServer) -> None:
    async def main() -> None:
        async with opened(own_etcd, "", patience_s=0.3) as backend:
            await backend.put("/a", b"1")
            own_etcd.stall()
            with pytest.raises(OutcomeUnknown, match="whether the write was made is not known"):
                await backend.put("/a", b"2")
            with pytest.raises(StoreUnavailable) as read:
                await backend.get("/a")
            assert not isinstance(read.value, OutcomeUnknown)
            own_etcd.go_on()
            while True:
                try:
                    kv = await backend.get("/a")
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.02)
            assert kv is not None and kv.value in (b"1", b"2")

    asyncio.run(main())


def test_changes_compacted_while_disconnected_cut_the_watch_instead_of_leaving_a_hole(
    own_etcd: EtcdServer,
) -> None:
    async def main() -> None:
        async with opened(own_etcd, "", patience_s=2.0) as backend, opened(own_etcd, "") as other:
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


def test_etcd_replaced_by_an_empty_one_cuts_every_watch(own_etcd: EtcdServer) -> None:
    async def main() -> None:
        async with opened(own_etcd, "", patience_s=2.0) as backend:
            for n in range(5):
                await backend.put("/a", b"%d" % n)
            async with backend.watch("/", 5) as stream:
                own_etcd.stop()
                shutil.rmtree(own_etcd.root / "data")
                await asyncio.to_thread(own_etcd.start)
                with pytest.raises(Compacted):
                    async with asyncio.timeout(5):
                        await anext(stream)

    asyncio.run(main())


def test_first_server_down_the_next_one_is_asked(own_etcd: EtcdServer) -> None:
    async def main() -> None:
        servers = ["unix:/nowhere/x:1", own_etcd.url]
        backend = EtcdBackend(servers, SystemClock(), random.Random(1), patience_s=2.0)
        await backend.start()
        try:
            async with backend.watch("/", 0) as stream:
                assert (await backend.put("/a", b"1")).ok
                assert [c.kv.value for c in await anext(stream)] == [b"1"]
        finally:
            await backend.close()

    asyncio.run(main())
