"""The queue's promises: one place per pod, back-off, and sleep until an event that matters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from machinery import virtual_loop
from machinery.clock import LoopClock
from scheduler.framework.plugin import ClusterEvent
from scheduler.framework.podinfo import PodInfo, parse_pod
from scheduler.plugins.priority_sort import PrioritySort
from scheduler.plugins.scheduling_gates import SchedulingGates
from scheduler.queue import SchedulingQueue

EVENTS = {"Fit": ClusterEvent.POD_DELETED, "Taint": ClusterEvent.NODE_TAINTS}


def pod(name: str, priority: int = 0, **spec: object) -> PodInfo:
    body = {"containers": [], "priority": priority, **spec}
    return parse_pod({"metadata": {"name": name, "namespace": "ns", "uid": name}, "spec": body})


def stepped(test: Callable[[SchedulingQueue, LoopClock], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), 1_700_000_000)
        queue = SchedulingQueue(clock, PrioritySort().sort_key, EVENTS, SchedulingGates().gates)
        await test(queue, clock)

    virtual_loop.run(main())


def test_pop_takes_priority_first_then_age() -> None:
    async def scenario(queue: SchedulingQueue, clock: LoopClock) -> None:
        queue.add(pod("old"))
        await clock.sleep(1)
        queue.add(pod("new"))
        queue.add(pod("urgent", priority=9))
        assert [(await queue.pop()).info.uid for _ in range(3)] == ["urgent", "old", "new"]

    stepped(scenario)


def test_refused_pod_wakes_only_on_an_event_its_refuser_named() -> None:
    async def scenario(queue: SchedulingQueue, clock: LoopClock) -> None:
        queue.add(pod("p"))
        queue.add_unschedulable(await queue.pop(), ["Fit"])
        await clock.sleep(5)
        queue.on_event(ClusterEvent.NODE_TAINTS)
        assert queue.counts()["unschedulable"] == 1
        queue.on_event(ClusterEvent.POD_DELETED)
        assert queue.counts()["active"] == 1

    stepped(scenario)


def test_pod_that_no_plugin_refused_since_there_was_no_node_wakes_on_any_event() -> None:
    async def scenario(queue: SchedulingQueue, clock: LoopClock) -> None:
        queue.add(pod("p"))
        queue.add_unschedulable(await queue.pop(), [])
        await clock.sleep(5)
        queue.on_event(ClusterEvent.NODE_ADDED)
        assert queue.counts()["active"] == 1

    stepped(scenario)


def test_woken_pod_waits_out_its_backoff() -> None:
    async def scenario(queue: SchedulingQueue, clock: LoopClock) -> None:
        queue.add(pod("p"))
        waits = []
        for _ in range(6):
            started = clock.monotonic()
            queued = await queue.pop()
            waits.append(round(clock.monotonic() - started, 3))
            queue.add_unschedulable(queued, ["Fit"])
            queue.on_event(ClusterEvent.POD_DELETED)
        assert waits == [0, 1, 2, 4, 8, 10]

    stepped(scenario)


def test_event_during_the_cycle_is_not_missed() -> None:
    async def scenario(queue: SchedulingQueue, clock: LoopClock) -> None:
        queue.add(pod("p"))
        queued = await queue.pop()
        queue.on_event(ClusterEvent.POD_DELETED)
        queue.add_unschedulable(queued, ["Fit"])
        assert queue.counts()["backoff"] == 1

    stepped(scenario)


def test_sleeper_is_tried_again_after_five_minutes() -> None:
    async def scenario(queue: SchedulingQueue, clock: LoopClock) -> None:
        queue.add(pod("p"))
        queue.add_unschedulable(await queue.pop(), ["Taint"])
        started = clock.monotonic()
        await queue.pop()
        assert clock.monotonic() - started == pytest.approx(300)

    stepped(scenario)


def test_gated_pod_waits_until_its_gates_are_gone() -> None:
    async def scenario(queue: SchedulingQueue, clock: LoopClock) -> None:
        queue.add(pod("p", schedulingGates=[{"name": "g"}]))
        assert queue.counts()["active"] == 0
        queue.update(pod("p"))
        assert (await queue.pop()).info.uid == "p"

    stepped(scenario)


def test_deleted_pod_is_never_popped() -> None:
    async def scenario(queue: SchedulingQueue, clock: LoopClock) -> None:
        queue.add(pod("gone"))
        queue.add(pod("here"))
        queue.delete("gone")
        assert (await queue.pop()).info.uid == "here"

    stepped(scenario)
