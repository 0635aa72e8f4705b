"""Watch = replay of list: from any state, applying a watch's events gives the state listed at the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.backends.memory import MemoryBackend
from apiserver.storage.cacher import Cacher
from apiserver.storage.extract import extractor
from apiserver.storage.store import Predicate, StoreEvent
from machinery.clock import LoopClock
from machinery.virtual_loop import run

NAMES = ("a", "b", "c")
SPACES = ("m", "n")
STEPS = st.lists(
    st.tuples(st.sampled_from(SPACES), st.sampled_from(NAMES), st.sampled_from(("x", "y", "gone"))),
    max_size=30,
)


def in_x(labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    return labels.get("app") == "x"


State = dict[tuple[str, str], bytes]


def replay(state: State, events: list[StoreEvent]) -> State:
    state, last = dict(state), 0
    for event in events:
        assert event.revision > last, "events go strictly forward"
        last = event.revision
        assert event.entry is not None
        key = (event.entry.namespace, event.entry.name)
        if event.type == "DELETED":
            del state[key]  # only what was there leaves
        else:
            assert (event.type == "ADDED") is (key not in state)
            state[key] = event.entry.data
    return state


async def listed(store: Cacher, namespace: str, predicate: Predicate | None, revision: int = 0) -> State:
    result = await store.list(namespace, predicate=predicate, revision=revision)
    return {(entry.namespace, entry.name): entry.data for entry in result.entries}


async def check(steps: list[tuple[str, str, str]], window: int, watch_from: int) -> None:
    clock = LoopClock(asyncio.get_running_loop(), 0)
    store = Cacher(
        MemoryBackend(),
        prefix="/r/",
        namespaced=True,
        extract=extractor({}, namespaced=True),
        clock=clock,
        rng=random.Random(0),
        window=window,
    )
    await store.start()
    task = asyncio.create_task(store.run())
    past: dict[int, State] = {0: {}}
    for namespace, name, app in steps:
        there = await store.get(namespace, name)
        obj: dict[str, Any] = {"metadata": {"name": name, "namespace": namespace, "labels": {"app": app}}}
        if app == "gone":
            if there is not None:
                await store.delete(namespace, name, there.revision)
        elif there is None:
            await store.create(namespace, name, obj)
        else:
            await store.update(namespace, name, obj, there.revision)
        past[await store.revision()] = await listed(store, "", None)
    newest = await store.revision()
    for revision, state in past.items():
        if revision:
            assert await listed(store, "", None, revision) == state
    start = min(watch_from, newest)
    for namespace in ("", "m"):
        for predicate in (None, in_x):
            before = await listed(store, namespace, predicate, start) if start else {}
            async with store.watch(namespace, from_revision=start, predicate=predicate) as stream:
                seen: list[StoreEvent] = []
                follower = asyncio.create_task(collect(stream, seen))
                await clock.sleep(1)
                follower.cancel()
                await asyncio.gather(follower, return_exceptions=True)
            assert replay(before, seen) == await listed(store, namespace, predicate)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def collect(stream: Any, seen: list[StoreEvent]) -> None:
    async for batch in stream:
        seen.extend(batch)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(STEPS, st.sampled_from((1, 5, 100)), st.integers(0, 30))
def test_any_watch_replays_to_the_listed_state(
    steps: list[tuple[str, str, str]], window: int, watch_from: int
) -> None:
    run(check(steps, window, watch_from))
