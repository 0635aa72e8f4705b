"""Several who share an etcd: servers of one store, other stores, other programs, a store that is being filled."""

from __future__ import annotations

import asyncio

import pytest
from etcd_server import EtcdServer, fresh_prefix, shared_etcd
from opened_etcd import opened

from apiserver.backends.backend import Compacted
from apiserver.backends.etcd_client import EtcdClient
from apiserver.backends.etcd_origin import NotOurStore, begin_filling, end_filling
from machinery.clock import SystemClock


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


def test_keys_of_another_program_are_refused_by_name(own_etcd: EtcdServer) -> None:
    async def main() -> None:
        async with opened(own_etcd, "/a") as backend:
            await backend.put("/b/registry/pods/x", b"")
        async with opened(own_etcd, ""):
            pass
        with pytest.raises(NotOurStore, match=r"1 keys of another program under '/a/b/registry/'"):
            async with opened(own_etcd, "/a/b"):
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
