"""Watches of many connections: what each is sent, whole and once, however it reads, and what its last line is."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import httptools
import orjson

from apiserver.backends.memory import MemoryBackend
from apiserver.engine.query import parse_query
from apiserver.engine.revisions import parse_watch
from apiserver.http.negotiation import accepted
from apiserver.http.protocol import Connection
from apiserver.http.reply import Receive, Scope, Send
from apiserver.http.served import Served
from apiserver.http.watch_stream import Streams, frames_for, stream_watch
from apiserver.storage.cacher import Cacher
from apiserver.storage.extract import extractor
from apiserver.storage.store import Batch, Entry, StoreEvent
from machinery.clock import LoopClock
from machinery.virtual_loop import DEFAULT_EPOCH_S, run

CROWD = 500  # so many that they are paced
QUEUE = 60
CREATED = 200
LIMIT_BYTES = 2000


class Wire(asyncio.Transport):
    """A client that reads at once, or when it is told to: then `LIMIT_BYTES` unread bytes pause the writer."""

    def __init__(self, *, reads: bool) -> None:
        super().__init__()
        self.out = bytearray()
        self.writes = 0
        self._reads = reads
        self._unread = 0
        self.connection: Connection

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.out += data
        self.writes += 1
        self._unread += 0 if self._reads else len(data)
        if self._unread > LIMIT_BYTES:
            self.connection.pause_writing()

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def read(self) -> None:
        self._unread = 0
        self.connection.resume_writing()

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        return

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return

    def resume_reading(self) -> None:
        return

    def events(self) -> list[dict[str, Any]]:
        body = bytearray()
        parser = httptools.HttpResponseParser(SimpleNamespace(on_body=body.extend))
        parser.feed_data(bytes(self.out))
        return [orjson.loads(line) for line in body.splitlines()]


def config_map(index: int) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{index:03}", "namespace": "d"}}


def watched(
    readers: Sequence[Wire], body: Callable[[Cacher, Callable[[int], Awaitable[None]]], Awaitable[None]]
) -> None:
    """Each of `readers` watches a store into which `body` writes."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop, DEFAULT_EPOCH_S)
        store = Cacher(
            MemoryBackend(clock),
            prefix="/registry/configmaps/",
            namespaced=True,
            extract=extractor({}, namespaced=True),
            clock=clock,
            rng=random.Random(3),
            queue=QUEUE,
        )
        await store.start()
        task = asyncio.create_task(store.run())
        gvr = SimpleNamespace(api_version="v1")
        call: Any = SimpleNamespace(
            namespace="d",
            name="",
            served=SimpleNamespace(store=store, resource=SimpleNamespace(gvr=gvr, kind="ConfigMap")),
        )
        streams = Streams()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            options = parse_watch(parse_query(b"watch=1&resourceVersion=1"))
            shape = accepted("application/json")
            await stream_watch(call, options, shape, "Metadata", clock.now, 3600, receive, send, streams, ())

        async def write(index: int) -> None:
            await store.create("d", f"c{index:03}", config_map(index))

        await write(0)  # revision 1, from which they watch
        served = Served(app, loop)
        for wire in readers:
            wire.connection = Connection(served)
            wire.connection.connection_made(wire)
            wire.connection.data_received(b"GET /watch HTTP/1.1\r\nHost: api\r\n\r\n")
        await asyncio.sleep(0.1)
        await body(store, write)
        await asyncio.sleep(0.1)
        streams.stop()
        for wire in readers:
            wire.read()
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main())


def test_crowd_is_sent_every_event_once_in_few_writes_and_a_pausing_reader_misses_none() -> None:
    crowd, pausing = [Wire(reads=True) for _ in range(CROWD)], Wire(reads=False)

    async def body(store: Cacher, write: Callable[[int], Awaitable[None]]) -> None:
        for index in range(1, CREATED):
            await write(index)
            await asyncio.sleep(0.004)
            if index % 20 == 0:
                pausing.read()
        pausing.read()

    watched([*crowd, pausing], body)
    expected = [f"c{index:03}" for index in range(1, CREATED)]
    assert all(wire.out.count(b'"ADDED"') == len(expected) for wire in crowd)
    for wire in (*crowd[:: CROWD // 10], pausing):
        assert [event["object"]["metadata"]["name"] for event in wire.events()] == expected
        assert {event["type"] for event in wire.events()} == {"ADDED"}
        assert wire.out.endswith(b"\r\n0\r\n\r\n")
    assert all(wire.writes < 75 for wire in crowd)


def test_reader_that_stops_reading_is_told_to_list_again_and_costs_no_more_than_the_queue() -> None:
    stuck, well = Wire(reads=False), Wire(reads=True)

    async def body(store: Cacher, write: Callable[[int], Awaitable[None]]) -> None:
        for index in range(1, CREATED):
            await write(index)
            await asyncio.sleep(0.01)
        assert len(stuck.out) < 2 * LIMIT_BYTES
        stuck.read()
        await asyncio.sleep(0.1)

    watched([stuck, well], body)
    assert len(well.events()) == CREATED - 1
    *seen, last = stuck.events()
    assert [event["object"]["metadata"]["name"] for event in seen] == [
        f"c{n:03}" for n in range(1, len(seen) + 1)
    ]
    assert last["type"] == "ERROR" and last["object"]["code"] == 410


def test_watch_that_waits_holds_nothing_of_what_it_was_told() -> None:
    def batches() -> list[Batch]:
        return [each for each in gc.get_objects() if isinstance(each, Batch)]

    others = batches()  # of tests before this one, which nobody has collected yet
    watching = Wire(reads=True)

    async def body(store: Cacher, write: Callable[[int], Awaitable[None]]) -> None:
        await write(1)
        await write(2)
        await asyncio.sleep(0.01)
        assert all(any(each is other for other in others) for each in batches())

    watched([watching], body)
    assert len(watching.events()) == 2


def test_watch_whose_event_cannot_be_shown_ends_alone() -> None:
    """What fails while it is delivered in passing is met by the watch it belongs to."""
    first, second = Wire(reads=True), Wire(reads=True)

    async def body(store: Cacher, write: Callable[[int], Awaitable[None]]) -> None:
        await write(1)
        await asyncio.sleep(0.01)

        def fails(data: Any) -> None:
            raise OSError("broken")

        first.write = fails
        await write(2)
        await asyncio.sleep(0.01)
        assert aborted
        await write(3)

    aborted: list[Wire] = []
    first.abort = lambda: aborted.append(first)
    watched([first, second], body)
    assert len(first.events()) == 1 and len(second.events()) == 3


def test_word_that_asks_for_nothing_keeps_no_rendering_of_its_own() -> None:
    obj = config_map(1)
    entry = Entry("/c001", "d", "c001", 1, orjson.dumps(obj), {}, {})
    batch = Batch([StoreEvent("ADDED", 1, entry)])
    gvr = SimpleNamespace(api_version="v1")
    served: Any = SimpleNamespace(
        resource=SimpleNamespace(gvr=gvr, kind="ConfigMap"), load=lambda entry: orjson.loads(entry.data)
    )
    options = parse_watch(parse_query(b"watch=1"))
    for form in ("application/json", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"):
        lines = {
            frames_for(served, options, accepted(form), f"word {index}", lambda: 0.0)(batch)
            for index in range(9)
        }
        assert len(lines) == 1
    assert len(batch.renderings) == 2 and len(batch[0].renderings) == 1


def test_rendering_that_is_kept_takes_no_more_memory_than_it_is_long() -> None:
    entry = Entry("/c001", "d", "c001", 1, orjson.dumps(config_map(1)), {}, {})
    events = [StoreEvent("ADDED", 1, entry) for _ in range(200)]
    gvr = SimpleNamespace(api_version="v1")
    served: Any = SimpleNamespace(
        resource=SimpleNamespace(gvr=gvr, kind="ConfigMap"), load=lambda entry: orjson.loads(entry.data)
    )
    shape = accepted("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")
    frames = frames_for(served, parse_watch(parse_query(b"watch=1")), shape, "Metadata", lambda: 0.0)
    tracemalloc.start()
    try:
        frames(events)
        per_event = tracemalloc.get_traced_memory()[0] / len(events)
    finally:
        tracemalloc.stop()
    assert len(events[0].renderings) == 1 and per_event < 1000
