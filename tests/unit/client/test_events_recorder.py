"""EventRecorder: equal events are counted, similar ones combined, floods cut off."""

import asyncio
import random

import orjson

from client.client import Client
from client.events import EventRecorder
from client.inprocess import InProcessTransport
from machinery import virtual_loop
from machinery.errors import AlreadyExists, Forbidden, NotFound, ServiceUnavailable

POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7"},
}


class EventStore:
    def __init__(self) -> None:
        self.events: dict[str, dict] = {}
        self.refusals: list[Exception] = []

    async def __call__(self, scope, receive, send) -> None:
        body = orjson.loads((await receive())["body"])
        status, answer = 200, body
        name = scope["path"].rpartition("/")[2]
        if self.refusals:
            error = self.refusals.pop(0)
            status, answer = error.code, error.to_status()
        elif scope["method"] == "POST":
            name = body["metadata"]["name"]
            if name in self.events:
                status, answer = 409, AlreadyExists("there").to_status()
            else:
                self.events[name] = body
        elif name not in self.events:
            status, answer = 404, NotFound("gone").to_status()
        else:
            self.events[name].update(body)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": orjson.dumps(answer)})


def record(use) -> tuple[EventStore, EventRecorder]:
    store = EventStore()
    made = []

    async def main(clock) -> None:
        client = Client(InProcessTransport(store, None))
        recorder = EventRecorder(client, clock, random.Random(3), "kubelet", "node-1")
        made.append(recorder)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(recorder.run())
            await use(recorder, store)
            await recorder.drained()
            running.cancel()

    virtual_loop.run(main)
    return store, made[0]


def test_event_names_its_object_and_source() -> None:
    async def use(recorder: EventRecorder, store: EventStore) -> None:
        recorder.event(POD, "Normal", "Started", "Started container web", field_path="spec.containers{web}")

    store, _ = record(use)
    (event,) = store.events.values()
    assert event["metadata"]["namespace"] == "shop"
    assert event["metadata"]["name"].startswith("web.")
    assert event["involvedObject"] == {
        "kind": "Pod",
        "apiVersion": "v1",
        "name": "web",
        "namespace": "shop",
        "uid": "u1",
        "resourceVersion": "7",
        "fieldPath": "spec.containers{web}",
    }
    assert event["source"] == {"component": "kubelet", "host": "node-1"}
    assert (event["reason"], event["type"], event["count"]) == ("Started", "Normal", 1)


def test_equal_events_become_one_with_a_count() -> None:
    async def use(recorder: EventRecorder, store: EventStore) -> None:
        for _ in range(3):
            recorder.event(POD, "Warning", "BackOff", "Back-off restarting")
            await asyncio.sleep(60)

    store, _ = record(use)
    (event,) = store.events.values()
    assert event["count"] == 3
    assert event["firstTimestamp"] < event["lastTimestamp"]


def test_counted_event_that_expired_is_made_anew() -> None:
    async def use(recorder: EventRecorder, store: EventStore) -> None:
        recorder.event(POD, "Warning", "BackOff", "Back-off restarting")
        await recorder.drained()
        store.events.clear()
        recorder.event(POD, "Warning", "BackOff", "Back-off restarting")

    store, _ = record(use)
    assert [event["count"] for event in store.events.values()] == [1]


def test_many_similar_events_are_combined() -> None:
    async def use(recorder: EventRecorder, store: EventStore) -> None:
        for i in range(20):
            recorder.event(POD, "Warning", "Failed", f"attempt {i} failed")

    store, _ = record(use)
    messages = [event["message"] for event in store.events.values()]
    assert len(messages) == 10
    assert messages[-1] == "(combined from similar events): attempt 19 failed"


def test_flood_is_cut_off_by_the_bucket() -> None:
    async def use(recorder: EventRecorder, store: EventStore) -> None:
        for _ in range(40):
            recorder.event(POD, "Warning", "BackOff", "Back-off restarting")

    store, recorder = record(use)
    (event,) = store.events.values()
    assert (event["count"], recorder.dropped) == (25, 15)


def test_unavailable_server_is_tried_again_and_a_refusal_is_not() -> None:
    async def use(recorder: EventRecorder, store: EventStore) -> None:
        store.refusals = [ServiceUnavailable("later"), ServiceUnavailable("later")]
        recorder.event(POD, "Normal", "Started", "one")
        await recorder.drained()
        store.refusals = [Forbidden("namespace is being terminated")]
        recorder.event(POD, "Normal", "Killed", "two")

    store, _ = record(use)
    assert [event["message"] for event in store.events.values()] == ["one"]
