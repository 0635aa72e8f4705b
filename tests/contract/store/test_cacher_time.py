"""What the Cacher does by itself as time passes: bookmarks, expiry, waiting out a lost backend."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
import pytest

from apiserver.backends.backend import (
    Backend,
    Change,
    Compacted,
    StoreUnavailable,
    TxnResult,
)
from apiserver.backends.hub import Subscription
from apiserver.backends.memory import MemoryBackend
from apiserver.storage.cacher import Cacher
from apiserver.storage.extract import extractor
from apiserver.storage.store import Store
from apiserver.storage.view import View
from machinery.clock import LoopClock, rfc3339
from machinery.virtual_loop import DEFAULT_EPOCH_S, run


def event(name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "d"}, **more}


def play(
    body: Callable[[Cacher, LoopClock], Awaitable[None]],
    backend: Backend | None = None,
    ttl_s: float | None = None,
) -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), DEFAULT_EPOCH_S)
        cacher = Cacher(
            backend or MemoryBackend(clock),
            prefix="/registry/events/",
            namespaced=True,
            extract=extractor({}, namespaced=True),
            clock=clock,
            rng=random.Random(3),
            ttl_s=ttl_s,
        )
        await cacher.start()
        task = asyncio.create_task(cacher.run())
        await body(cacher, clock)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main())


def test_bookmark_comes_each_minute_to_who_asked_and_carries_the_stores_revision() -> None:
    backend = MemoryBackend()

    async def body(store: Cacher, clock: LoopClock) -> None:
        async with (
            store.watch(from_revision=0, bookmarks=True) as asked,
            store.watch(from_revision=0) as other,
        ):
            await store.create("d", "x", event("x"))
            await backend.put("/registry/else", b"")
            seen = list(await anext(asked))
            while len(seen) < 4:
                seen.extend(await anext(asked))
            assert [(e.type, e.revision) for e in seen] == [("ADDED", 1), *[("BOOKMARK", 2)] * 3]
            assert 120 <= clock.monotonic() <= 185
            assert [e.type for e in await anext(other)] == ["ADDED"]

    play(body, backend)


def test_expired_object_goes_unless_it_was_written_again() -> None:
    async def body(store: Cacher, clock: LoopClock) -> None:
        first = await store.create("d", "old", event("old"))
        await store.create("d", "kept", event("kept"))
        async with store.watch(from_revision=first.revision + 1) as stream:
            await clock.sleep(2000)
            await store.update("d", "kept", event("kept", count=2), 2)
            await clock.sleep(1500)
            assert await store.get("d", "old") is not None
            await clock.sleep(200)
            assert await store.get("d", "old") is None and await store.get("d", "kept") is not None
            assert [e.type for e in await anext(stream)] == ["MODIFIED", "DELETED"]
            await clock.sleep(2000)
            assert await store.get("d", "kept") is None

    play(body, ttl_s=3600)


def test_age_of_an_object_survives_a_restart() -> None:
    backend = MemoryBackend()

    async def fill(store: Cacher, clock: LoopClock) -> None:
        now = clock.now()
        await store.create("d", "fresh", event("fresh", lastTimestamp=rfc3339(now - 60)))
        await store.create("d", "stale", event("stale", lastTimestamp=rfc3339(now - 3500)))

    async def later(store: Cacher, clock: LoopClock) -> None:
        await clock.sleep(200)
        assert await store.get("d", "fresh") is not None and await store.get("d", "stale") is None

    play(fill, backend)
    play(later, MemoryTwin(backend), ttl_s=3600)


class MemoryTwin:
    """A backend that can be taken away: every call raises while `away` is set."""

    def __init__(self, inner: MemoryBackend) -> None:
        self.inner = inner
        self.away = False

    def __getattr__(self, name: str) -> Any:
        if self.away and name in ("range", "delete", "watch", "get"):
            raise StoreUnavailable("gone for a while")
        return getattr(self.inner, name)


class Breaking(MemoryTwin):
    """Breaks the running watch when told to, as a compaction behind its back would."""

    stream: Subscription | None = None
    error: Exception | None = None

    def watch(self, prefix: str, from_revision: int) -> Any:
        if self.away:
            raise StoreUnavailable("gone for a while")
        outer = self

        class Stream(Subscription):
            async def __anext__(self) -> Sequence[Change]:
                batch = await super().__anext__()
                if outer.error is not None:
                    error, outer.error = outer.error, None
                    raise error
                return batch

        return Stream(self.inner._hub, prefix, from_revision, self.inner._check_watch)


@pytest.mark.parametrize("away", [False, True])
def test_feed_that_fell_behind_compaction_is_built_anew_and_watches_are_cut(away: bool) -> None:
    backend = Breaking(MemoryBackend())

    async def body(store: Cacher, clock: LoopClock) -> None:
        await store.create("d", "x", event("x"))
        async with store.watch(from_revision=1) as stream:
            await clock.sleep(1)
            backend.error, backend.away = Compacted(2), away
            written: TxnResult = await backend.inner.put("/registry/events/d/y", b'{"metadata":{"name":"y"}}')
            await clock.sleep(0.1)
            if away:
                assert await store.get("d", "y") is None
                backend.away = False
                await clock.sleep(5)
            assert await store.get("d", "y") is not None and await store.revision() == written.revision
            with pytest.raises(Compacted):
                await anext(stream)
        assert (await store.create("d", "z", event("z"))).revision == 3

    play(body, backend)


def test_backend_that_was_restored_is_read_anew_though_its_revisions_are_known() -> None:
    backend, restored = Breaking(MemoryBackend()), MemoryBackend()

    async def body(store: Cacher, clock: LoopClock) -> None:
        form = View(store, AsItIs(), extractor({}, namespaced=True))
        await store.create("d", "x", event("x", note="lost"))
        assert await form.get("d", "x") is not None
        for name in ("x", "y"):
            await restored.put(f"/registry/events/d/{name}", orjson.dumps(event(name, note="restored")))
        old, backend.error = backend.inner, Compacted(1)
        backend.inner = restored
        await old.put("/registry/events/d/z", b"{}")  # wakes the feed, which breaks
        await clock.sleep(1)
        readers: tuple[Store, ...] = (store, form)
        for reader in readers:
            entry = await reader.get("d", "x")
            assert entry is not None and entry.revision == 1 and b"restored" in entry.data

    play(body, backend)


class AsItIs:
    async def shown(self, objs: Sequence[Any]) -> list[Any]:
        return [{**obj, "shown": True} for obj in objs]

    async def stored(self, obj: Any) -> Any:
        return obj


def test_sweep_that_finds_the_backend_away_tries_again() -> None:
    backend = MemoryTwin(MemoryBackend())

    async def body(store: Cacher, clock: LoopClock) -> None:
        await store.create("d", "x", event("x"))

        async def refuse(key: str, *, expect: int | None = None) -> TxnResult:
            raise StoreUnavailable("disk full")

        backend.delete = refuse
        await clock.sleep(200)
        assert await store.get("d", "x") is not None
        del backend.delete
        await clock.sleep(100)
        assert await store.get("d", "x") is None

    play(body, backend, ttl_s=100)


def test_wall_clock_set_forward_expires_nothing_early_and_set_back_keeps_nothing_longer() -> None:
    class Jumping(LoopClock):
        ahead_s = 0.0

        def now(self) -> float:
            return super().now() + self.ahead_s

    async def main() -> None:
        clock = Jumping(asyncio.get_running_loop(), DEFAULT_EPOCH_S)
        cacher = Cacher(
            MemoryBackend(clock),
            prefix="/registry/events/",
            namespaced=True,
            extract=extractor({}, namespaced=True),
            clock=clock,
            rng=random.Random(3),
            ttl_s=3600.0,
        )
        await cacher.start()
        task = asyncio.create_task(cacher.run())
        for jump_s in (86_400.0, -86_400.0):
            await cacher.create("d", "e", event("e"))
            clock.ahead_s = jump_s
            await clock.sleep(3000)
            assert await cacher.get("d", "e") is not None
            await clock.sleep(1200)
            assert await cacher.get("d", "e") is None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main())
