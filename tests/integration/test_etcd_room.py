"""An etcd whose file has met its quota, and one whose file is made smaller while it is used."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import suppress

import pytest
from etcd_server import EtcdServer, free_port
from opened_etcd import opened

from apiserver.backends import etcd, etcd_upkeep
from apiserver.backends.backend import OutcomeUnknown, StoreUnavailable
from apiserver.backends.etcd import EtcdBackend
from apiserver.backends.retention import Retention
from machinery.clock import SystemClock

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
