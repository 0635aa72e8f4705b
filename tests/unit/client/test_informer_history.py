"""Property: whatever happens to the wire, an informer ends up replaying the server's history."""

import asyncio
import random

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from client.client import Client
from client.informer import InformerFactory
from client.inprocess import InProcessTransport
from machinery import virtual_loop
from machinery.clock import LoopClock
from machinery.errors import Expired, Invalid, ServiceUnavailable
from machinery.gvk import PODS, key_of
from machinery.virtual_loop import DEFAULT_EPOCH_S


class HistoryServer:
    """A collection with a history, served by list and watch; faults on demand."""

    def __init__(self, streams_lists: bool) -> None:
        self.streams_lists = streams_lists
        self.revision = 1
        self.uids = 0
        self.objects: dict[str, dict] = {}
        self.log: list[tuple[int, str, dict]] = []
        self.oldest = 0
        self.fail_next = 0
        self.watches: set[asyncio.Event] = set()
        self.cut: set[asyncio.Event] = set()

    def put(self, name: str) -> None:
        self.revision += 1
        old = self.objects.get(name)
        if old is None:
            self.uids += 1
        uid = old["metadata"]["uid"] if old else f"uid-{self.uids}"
        meta = {"name": name, "namespace": "default", "uid": uid, "resourceVersion": str(self.revision)}
        self.objects[name] = {"apiVersion": "v1", "kind": "Pod", "metadata": meta}
        self._commit("MODIFIED" if old else "ADDED", self.objects[name])

    def delete(self, name: str) -> None:
        if (old := self.objects.pop(name, None)) is not None:
            self.revision += 1
            meta = {**old["metadata"], "resourceVersion": str(self.revision)}
            self._commit("DELETED", {**old, "metadata": meta})

    def _commit(self, kind: str, obj: dict) -> None:
        self.log.append((self.revision, kind, obj))
        for watch in self.watches:
            watch.set()

    def cut_watches(self) -> None:
        self.cut |= self.watches
        for watch in self.watches:
            watch.set()

    async def __call__(self, scope, receive, send) -> None:
        query = dict(pair.split("=") for pair in scope["query_string"].decode().split("&") if pair)
        if self.fail_next:
            self.fail_next -= 1
            await self._status(send, ServiceUnavailable("on purpose"))
        elif query.get("watch") != "true":
            items = list(self.objects.values())
            start = int(query.get("continue", 0))
            limit = 2
            meta = {"resourceVersion": str(self.revision)}
            if start + limit < len(items):
                meta["continue"] = str(start + limit)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            answer = {"metadata": meta, "items": items[start : start + limit]}
            await send({"type": "http.response.body", "body": orjson.dumps(answer)})
        elif "sendInitialEvents" in query and not self.streams_lists:
            await self._status(send, Invalid("sendInitialEvents is forbidden"))
        else:
            await self._watch(query, send)

    async def _watch(self, query, send) -> None:
        changed = asyncio.Event()
        self.watches.add(changed)
        try:
            if "sendInitialEvents" in query:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                at = self.revision
                initial = list(self.objects.values())
                for obj in initial:
                    await self._event(send, "ADDED", obj)
                meta = {"resourceVersion": str(at), "annotations": {"k8s.io/initial-events-end": "true"}}
                await self._event(send, "BOOKMARK", {"kind": "Pod", "metadata": meta})
            else:
                at = int(query["resourceVersion"])
                if at < self.oldest:
                    await self._status(send, Expired("too old resource version"))
                    return
                await send({"type": "http.response.start", "status": 200, "headers": []})
            while changed not in self.cut:
                for revision, kind, obj in [entry for entry in self.log if entry[0] > at]:
                    await self._event(send, kind, obj)
                    at = revision
                    await asyncio.sleep(0)
                changed.clear()
                if not any(entry[0] > at for entry in self.log) and changed not in self.cut:
                    await changed.wait()
            await send({"type": "http.response.body", "body": b""})
        finally:
            self.watches.discard(changed)
            self.cut.discard(changed)

    async def _event(self, send, kind: str, obj: dict) -> None:
        line = orjson.dumps({"type": kind, "object": obj}) + b"\n"
        await send({"type": "http.response.body", "body": line, "more_body": True})

    async def _status(self, send, error) -> None:
        await send({"type": "http.response.start", "status": error.code, "headers": []})
        await send({"type": "http.response.body", "body": orjson.dumps(error.to_status())})


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES),
        st.tuples(st.just("delete"), NAMES),
        st.tuples(st.sampled_from(["compact", "cut", "fail", "tick", "sleep"]), st.just("")),
    ),
    min_size=5,
    max_size=60,
)


async def replay(streams_lists: bool, steps) -> None:
    server = HistoryServer(streams_lists)
    server.put("first")
    clock = LoopClock(asyncio.get_running_loop(), DEFAULT_EPOCH_S)
    transport = InProcessTransport(server, None)
    factory = InformerFactory(Client(transport), clock, random.Random(1))
    informer = factory.informer(PODS)
    seen: dict = {}

    def on_add(obj) -> None:
        assert key_of(obj) not in seen
        assert informer.lister.get(*key_of(obj)) == obj
        seen[key_of(obj)] = obj

    def on_update(old, new) -> None:
        assert seen[key_of(new)] == old
        assert old["metadata"]["uid"] == new["metadata"]["uid"]
        assert int(old["metadata"]["resourceVersion"]) < int(new["metadata"]["resourceVersion"])
        seen[key_of(new)] = new

    def on_delete(obj) -> None:
        assert seen.pop(key_of(obj))["metadata"]["uid"] == obj["metadata"]["uid"]

    failures: list[AssertionError] = []

    def checked(handler):
        def call(*args) -> None:
            try:
                handler(*args)
            except AssertionError as error:  # an informer outlives its handlers' exceptions
                failures.append(error)

        return call

    informer.add_handler(on_add=checked(on_add), on_update=checked(on_update), on_delete=checked(on_delete))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(factory.run())
        for step, name in steps:
            if step == "put":
                server.put(name)
            elif step == "delete":
                server.delete(name)
            elif step == "compact":
                server.oldest = server.revision
            elif step == "cut":
                server.cut_watches()
            elif step == "fail":
                server.fail_next += 1
            elif step == "tick":
                await asyncio.sleep(0.001)
            else:
                await asyncio.sleep(5)
        await asyncio.sleep(600)
        assert not failures
        assert informer.has_synced()
        expected = {key_of(obj): obj for obj in server.objects.values()}
        assert {key_of(obj): obj for obj in informer.lister.list()} == expected
        assert seen == expected
        late = []
        informer.add_handler(on_add=late.append)
        assert late == informer.lister.list()
        running.cancel()


@settings(max_examples=150, deadline=None)
@given(streams_lists=st.booleans(), steps=STEPS)
def test_informer_over_a_faulty_wire_replays_the_history(streams_lists: bool, steps) -> None:
    virtual_loop.run(replay(streams_lists, steps))
