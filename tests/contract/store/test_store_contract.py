"""What every Store must do; the Cacher is run over each backend."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from etcd_server import fresh_prefix, shared_etcd

from apiserver.backends.backend import Backend, Compacted, FutureRevision
from apiserver.backends.memory import MemoryBackend
from apiserver.backends.sqlite import SqliteBackend
from apiserver.storage.audience import BATCH_BYTES
from apiserver.storage.cacher import Cacher
from apiserver.storage.extract import extractor
from apiserver.storage.store import Entry, StaleRevision, Store, StoreEvent
from machinery.clock import SystemClock


def etcd(path: Path) -> Backend:
    from apiserver.backends.etcd import EtcdBackend

    return EtcdBackend([shared_etcd().url], SystemClock(), random.Random(1), prefix=fresh_prefix())


BACKENDS: dict[str, Callable[[Path], Backend]] = {
    "etcd": etcd,
    "memory": lambda path: MemoryBackend(SystemClock()),
    "sqlite": lambda path: SqliteBackend(path / "store.db", SystemClock()),
}
EXTRACT = extractor({"spec.nodeName": ".spec.nodeName", "spec.on": "spec.on"}, namespaced=True)


@asynccontextmanager
async def cached(backend: Backend, **options: Any) -> AsyncIterator[Cacher]:
    cacher = Cacher(
        backend,
        prefix="/registry/pods/",
        namespaced=True,
        extract=EXTRACT,
        clock=SystemClock(),
        rng=random.Random(1),
        **options,
    )
    await cacher.start()
    task = asyncio.create_task(cacher.run())
    try:
        yield cacher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


Body = Callable[[Cacher, Backend], Awaitable[None]]
Run = Callable[..., None]


@pytest.fixture(params=sorted(BACKENDS))
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    def runner(body: Body, **options: Any) -> None:
        async def main() -> None:
            backend = BACKENDS[request.param](tmp_path)
            await backend.start()
            try:
                async with cached(backend, **options) as store:
                    await asyncio.wait_for(body(store, backend), 20)
            finally:
                await backend.close()

        asyncio.run(main())

    return runner


def pod(name: str, namespace: str = "default", node: str = "", **labels: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = labels
    # The key order that clients send is not ours, and a template holds a metadata of its own.
    spec: dict[str, Any] = {"template": {"metadata": {"name": "inner"}}, "on": True}
    if node:
        spec["nodeName"] = node
    return {"spec": spec, "kind": "Pod", "metadata": metadata, "apiVersion": "v1"}


def labelled(value: str) -> Callable[[Mapping[str, str], Mapping[str, str]], bool]:
    return lambda labels, fields: labels.get("app") == value


def names(entries: Any) -> list[str]:
    return [entry.name for entry in entries]


def decoded(entry: Entry | None) -> dict[str, Any]:
    assert entry is not None
    obj: dict[str, Any] = orjson.loads(entry.data)
    return obj


async def take(stream: Any, count: int) -> list[StoreEvent]:
    seen: list[StoreEvent] = []
    while len(seen) < count:
        seen.extend(await asyncio.wait_for(anext(stream), 5))
    return seen


def brief(events: list[StoreEvent]) -> list[tuple[str, str, int]]:
    for event in events:
        if event.entry is not None and event.type != "ADDED":
            assert decoded(event.entry)["metadata"]["resourceVersion"] == str(event.revision)
    return [(e.type, e.entry.name if e.entry else "", e.revision) for e in events]


def test_created_object_is_served_with_its_revision(run: Run) -> None:
    async def body(store: Store, _: Backend) -> None:
        made = await store.create("default", "web", pod("web", app="a"))
        assert made == await store.get("default", "web")
        obj = decoded(made)
        assert obj["metadata"].pop("resourceVersion") == "1" == str(made.revision)
        assert obj == pod("web", app="a")
        assert (made.namespace, made.name, made.labels) == ("default", "web", {"app": "a"})
        assert made.fields == {
            "metadata.name": "web",
            "metadata.namespace": "default",
            "spec.nodeName": "",
            "spec.on": "true",
        }
        assert await store.get("default", "none") is None and await store.get("other", "web") is None

    run(body)


def test_lost_race_raises_with_what_stands_there(run: Run) -> None:
    async def body(store: Store, _: Backend) -> None:
        first = await store.create("default", "web", pod("web"))
        with pytest.raises(StaleRevision) as caught:
            await store.create("default", "web", pod("web", app="b"))
        assert caught.value.current == first
        second = await store.update("default", "web", pod("web", app="c"), first.revision)
        for attempt in (store.update("default", "web", pod("web"), 1), store.delete("default", "web", 1)):
            with pytest.raises(StaleRevision) as caught:
                await attempt
            assert caught.value.current == second
        with pytest.raises(StaleRevision) as caught:
            await store.update("default", "none", pod("none"), 1)
        assert caught.value.current is None

    run(body)


def test_delete_returns_the_last_state_with_the_deletions_revision(run: Run) -> None:
    async def body(store: Store, _: Backend) -> None:
        made = await store.create("default", "web", pod("web", app="a"))
        gone = await store.delete("default", "web", made.revision)
        assert gone.revision == 2 and decoded(gone)["metadata"]["resourceVersion"] == "2"
        assert gone.labels == {"app": "a"} and await store.get("default", "web") is None

    run(body)


def test_every_writer_reads_its_own_writes(run: Run) -> None:
    async def body(store: Store, _: Backend) -> None:
        async def writer(n: int) -> None:
            entry = await store.create("default", f"w{n}", pod(f"w{n}"))
            for i in range(10):
                assert await store.get("default", f"w{n}") == entry
                assert f"w{n}" in names((await store.list("default")).entries)
                entry = await store.update("default", f"w{n}", pod(f"w{n}", i=str(i)), entry.revision)
            await store.delete("default", f"w{n}", entry.revision)
            assert await store.get("default", f"w{n}") is None

        await asyncio.gather(*(writer(n) for n in range(10)))

    run(body)


def test_list_selects_orders_and_keeps_namespaces_apart(run: Run) -> None:
    async def body(store: Store, _: Backend) -> None:
        for namespace, name, app in (("b", "x", "1"), ("a", "y", "1"), ("a", "x", "2"), ("ab", "x", "1")):
            await store.create(namespace, name, pod(name, namespace, app=app))
        everything = await store.list()
        assert [(e.namespace, e.name) for e in everything.entries] == [
            ("a", "x"),
            ("a", "y"),
            ("ab", "x"),
            ("b", "x"),
        ]
        assert (everything.revision, everything.next_key, everything.remaining) == (4, "", None)
        assert names((await store.list("a")).entries) == ["x", "y"]
        assert names((await store.list("a", predicate=labelled("1"))).entries) == ["y"]
        assert names((await store.list("none")).entries) == []
        blob, revision = await store.list_json("a")
        assert revision == 4
        assert [o["metadata"]["name"] for o in orjson.loads(b"[" + blob + b"]")] == ["x", "y"]
        assert orjson.loads(b"[" + (await store.list_json())[0] + b"]")[3]["metadata"]["namespace"] == "b"
        await store.delete("a", "x", 3)
        assert orjson.loads((await store.list_json("a"))[0])["metadata"]["name"] == "y"

    run(body)


@pytest.mark.parametrize("window", [100, 2])
def test_pages_are_one_snapshot_whatever_is_written_between(run: Run, window: int) -> None:
    async def body(store: Store, _: Backend) -> None:
        for i in range(7):
            await store.create("default", f"p{i}", pod(f"p{i}", app=str(i % 2)))
        first = await store.list("default", limit=3)
        assert names(first.entries) == ["p0", "p1", "p2"] and first.remaining == 4
        await store.delete("default", "p4", 5)
        await store.update("default", "p5", pod("p5", app="new"), 6)
        await store.create("default", "p3a", pod("p3a"))
        second = await store.list("default", limit=3, start_key=first.next_key, revision=first.revision)
        assert names(second.entries) == ["p3", "p4", "p5"] and second.revision == first.revision
        assert second.entries[2].labels == {"app": "1"}
        last = await store.list("default", limit=3, start_key=second.next_key, revision=first.revision)
        assert names(last.entries) == ["p6"] and last.next_key == ""
        some = await store.list("default", predicate=labelled("0"), limit=2, revision=first.revision)
        assert names(some.entries) == ["p0", "p2"] and some.remaining is None and some.next_key
        rest = await store.list(
            "default", predicate=labelled("0"), start_key=some.next_key, revision=first.revision
        )
        assert names(rest.entries) == ["p4", "p6"]

    run(body, window=window)


@pytest.mark.parametrize("window", [100, 1])
def test_past_states_are_read_at_their_revision(run: Run, window: int) -> None:
    async def body(store: Store, backend: Backend) -> None:
        await store.create("default", "web", pod("web", v="1"))
        await store.update("default", "web", pod("web", v="2"), 1)
        await store.delete("default", "web", 2)
        await store.create("default", "web", pod("web", v="4"))
        seen = [await store.get("default", "web", revision=r) for r in range(1, 5)]
        assert [e and e.labels["v"] for e in seen] == ["1", "2", None, "4"]
        assert decoded(seen[1])["metadata"]["resourceVersion"] == "2"
        await backend.compact(4)
        if window == 1:
            with pytest.raises(Compacted):
                await store.get("default", "web", revision=2)

    run(body, window=window)


def test_watch_shows_what_comes_and_goes_of_a_selection(run: Run) -> None:
    async def body(store: Store, _: Backend) -> None:
        async with (
            store.watch(from_revision=0) as every,
            store.watch("default", from_revision=0, predicate=labelled("a")) as some,
            store.watch("other", from_revision=0) as other,
            store.watch("default", from_revision=0, name="x") as one,
        ):
            await store.create("default", "x", pod("x", app="a"))
            await store.update("default", "x", pod("x", app="b"), 1)
            await store.update("default", "x", pod("x", app="a"), 2)
            await store.update("default", "x", pod("x", app="a", more="1"), 3)
            await store.delete("default", "x", 4)
            await store.create("other", "y", pod("y", "other", app="a"))
            assert brief(await take(some, 5)) == [
                ("ADDED", "x", 1),
                ("DELETED", "x", 2),
                ("ADDED", "x", 3),
                ("MODIFIED", "x", 4),
                ("DELETED", "x", 5),
            ]
            assert brief(await take(every, 6)) == [
                ("ADDED", "x", 1),
                ("MODIFIED", "x", 2),
                ("MODIFIED", "x", 3),
                ("MODIFIED", "x", 4),
                ("DELETED", "x", 5),
                ("ADDED", "y", 6),
            ]
            assert brief(await take(other, 1)) == [("ADDED", "y", 6)]
            assert [e.revision for e in await take(one, 5)] == [1, 2, 3, 4, 5]

    run(body)


def test_watchers_of_one_change_share_one_event(run: Run) -> None:
    async def body(store: Store, _: Backend) -> None:
        async with store.watch(from_revision=0) as a, store.watch("default", from_revision=0) as b:
            await store.create("default", "x", pod("x"))
            assert (await take(a, 1))[0] is (await take(b, 1))[0]

    run(body)


@pytest.mark.parametrize("window", [100, 3])
def test_watch_from_the_past_replays_it_and_goes_on(run: Run, window: int) -> None:
    async def body(store: Store, backend: Backend) -> None:
        await store.create("default", "x", pod("x", app="a"))
        await store.create("other", "y", pod("y", "other", app="a"))
        await store.update("default", "x", pod("x", app="b"), 1)
        await store.delete("default", "x", 3)
        for i in range(3):
            await store.create("default", f"z{i}", pod(f"z{i}", app="a"))
        async with store.watch("default", from_revision=1, predicate=labelled("a")) as stream:
            await store.create("default", "last", pod("last", app="a"))
            assert brief(await take(stream, 5)) == [
                ("DELETED", "x", 3),
                ("ADDED", "z0", 5),
                ("ADDED", "z1", 6),
                ("ADDED", "z2", 7),
                ("ADDED", "last", 8),
            ]
        await backend.compact(5)
        if window == 3:
            with pytest.raises(Compacted):
                async with store.watch(from_revision=2):
                    pass

    run(body, window=window)


def test_reader_that_has_all_of_the_past_is_fed_by_the_backend_no_more() -> None:
    async def main() -> None:
        backend = MemoryBackend(SystemClock())
        async with cached(backend, window=3) as store:
            for i in range(10):
                await store.create("default", f"p{i}", pod(f"p{i}"))
            async with store.watch(from_revision=1) as stream:
                assert len(await anext(stream)) == 9  # and it does not come back for more
                assert [len(each) for each in backend._hub._by_prefix.values()] == [1]

    asyncio.run(main())


def test_initial_state_comes_first_and_its_end_is_marked(run: Run) -> None:
    async def body(store: Store, _: Backend) -> None:
        for name in ("b", "a"):
            await store.create("default", name, pod(name, app="a"))
        await store.create("default", "c", pod("c"))
        async with store.watch(
            "default", from_revision=0, predicate=labelled("a"), send_initial=True
        ) as stream:
            await store.create("default", "d", pod("d", app="a"))
            events = await take(stream, 4)
            assert brief(events) == [
                ("ADDED", "a", 2),
                ("ADDED", "b", 1),
                ("BOOKMARK", "", 3),
                ("ADDED", "d", 4),
            ]
            assert [e.initial_end for e in events] == [False, False, True, False]

    run(body)


@pytest.mark.parametrize("window", [100, 3])
def test_large_objects_are_handed_out_few_at_a_time_wherever_a_watch_begins(run: Run, window: int) -> None:
    async def body(store: Store, _: Backend) -> None:
        large = {"metadata": {"name": "", "namespace": "default"}, "data": "x" * (BATCH_BYTES // 3)}
        for i in range(8):
            await store.create("default", f"p{i}", {**large, "metadata": {"name": f"p{i}"}})
        for initial in (True, False):
            async with store.watch(from_revision=1, send_initial=initial) as stream:
                seen: list[StoreEvent] = []
                while len(seen) < 7:
                    batch = await asyncio.wait_for(anext(stream), 5)
                    assert sum(len(event.entry.data) for event in batch if event.entry) <= BATCH_BYTES
                    seen += batch
                assert [event.entry.name for event in seen if event.entry][-5:] == [
                    "p3",
                    "p4",
                    "p5",
                    "p6",
                    "p7",
                ]

    run(body, window=window)


def test_slow_watcher_is_cut_off_and_nobody_else(run: Run) -> None:
    async def body(store: Store, _: Backend) -> None:
        async with store.watch(from_revision=0) as slow, store.watch(from_revision=0) as quick:
            for i in range(12):
                await store.create("default", f"p{i}", pod(f"p{i}"))
                await take(quick, 1)
            with pytest.raises(Compacted):
                await anext(slow)

    run(body, queue=10)


def test_field_selected_watcher_sees_objects_arrive_and_leave(run: Run) -> None:
    class OnNode:
        exact_fields = {"spec.nodeName": "n1"}  # noqa: RUF012

        def __call__(self, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
            return fields["spec.nodeName"] == "n1"

    async def body(store: Store, _: Backend) -> None:
        async with store.watch(from_revision=0, predicate=OnNode()) as stream:
            await store.create("default", "x", pod("x"))
            await store.update("default", "x", pod("x", node="n1"), 1)
            await store.create("default", "y", pod("y", node="n2"))
            await store.update("default", "x", pod("x", node="n2"), 2)
            await store.create("default", "z", pod("z", node="n1"))
            assert brief(await take(stream, 3)) == [("ADDED", "x", 2), ("DELETED", "x", 4), ("ADDED", "z", 5)]

    run(body)


def test_revision_follows_writes_elsewhere_in_the_backend(run: Run) -> None:
    async def body(store: Store, backend: Backend) -> None:
        await store.create("default", "x", pod("x"))
        await backend.put("/registry/other/y", b"{}")
        await backend.put("/registry/other/y", b"{}")
        assert (await store.list(min_revision=3)).revision == 3 == await store.revision()

    run(body)


def test_revision_of_the_future_is_refused_after_a_while(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apiserver.storage.arrivals.FRESH_WITHIN_S", 0.05)

    async def body(store: Store, _: Backend) -> None:
        with pytest.raises(FutureRevision, match="Too large resource version: 9, current: 0"):
            await store.list(min_revision=9)

    run(body)


def test_second_cache_finds_everything_and_sees_foreign_writes(run: Run) -> None:
    async def body(store: Store, backend: Backend) -> None:
        await store.create("default", "x", pod("x", app="a"))
        async with cached(backend) as second:
            assert await second.get("default", "x") == await store.get("default", "x")
            made = await store.create("default", "y", pod("y", app="a"))
            assert (await second.list(min_revision=made.revision)).entries == (await store.list()).entries

    run(body)


def test_ended_cache_ends_its_watches(run: Run) -> None:
    async def body(_: Store, backend: Backend) -> None:
        async with cached(backend) as second:
            stream = await second.watch(from_revision=0).__aenter__()
            await second.create("default", "x", pod("x"))
        assert len(await take(stream, 1)) == 1
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    run(body)
