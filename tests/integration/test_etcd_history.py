"""How far back the etcd backend can look, who forgets, and watches that begin far back."""

from __future__ import annotations

import asyncio

import pytest
from etcd_server import fresh_prefix, shared_etcd
from opened_etcd import opened

from apiserver.backends.backend import Compacted
from apiserver.backends.etcd import EtcdBackend
from apiserver.backends.retention import Retention
from machinery.clock import SystemClock


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
