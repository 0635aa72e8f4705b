"""Where pods wait: ready to be tried, waiting out a back-off, or asleep until something changes.

    add ─────────► active ──pop──► (one cycle) ──fits──► done
                     ▲                  │
                     │            nothing fits
       back-off over │                  ▼
                  backoff ◄──event── unschedulable

A pod that fitted nowhere remembers which plugins refused it; only an event that one of them named
wakes it, and events that came while it was being tried count too. Invariants: a pod is in exactly one
place; none stays asleep longer than five minutes.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from machinery.clock import Clock
from scheduler.framework.plugin import NO_EVENT, ClusterEvent
from scheduler.framework.podinfo import PodInfo

FIRST_BACKOFF_S, LAST_BACKOFF_S, LONGEST_SLEEP_S = 1.0, 10.0, 300.0


@dataclass(slots=True)
class QueuedPod:
    info: PodInfo
    queued_at: float
    attempts: int = 0
    tried_at: float = 0.0
    wakes_on: ClusterEvent = NO_EVENT
    seen_events: ClusterEvent = NO_EVENT  # while in flight
    gates: tuple[str, ...] = ()
    order: int = field(default=0, compare=False)

    @property
    def backoff_until(self) -> float:
        if not self.attempts:
            return self.tried_at
        return self.tried_at + min(FIRST_BACKOFF_S * 2.0 ** (self.attempts - 1), LAST_BACKOFF_S)


class SchedulingQueue:
    """Not for threads: everything happens on one event loop."""

    def __init__(
        self,
        clock: Clock,
        sort_key: Callable[[PodInfo, float], tuple[Any, ...]],
        plugin_events: Mapping[str, ClusterEvent],
        gates: Callable[[PodInfo], list[str]],
    ) -> None:
        self._clock = clock
        self._sort_key = sort_key
        self._plugin_events = plugin_events
        self._gates = gates
        self._active: list[tuple[Any, int, str]] = []
        self._backoff: list[tuple[float, int, str]] = []
        self._where: dict[str, str] = {}  # uid → active | backoff | unschedulable | in-flight
        self._pods: dict[str, QueuedPod] = {}
        self._count = 0
        self._wake = asyncio.Event()

    def counts(self) -> dict[str, int]:
        """How many pods are where, for metrics."""
        counts = {"active": 0, "backoff": 0, "unschedulable": 0, "in-flight": 0}
        for place in self._where.values():
            counts[place] += 1
        return counts

    def add(self, info: PodInfo) -> None:
        """A new pod without a node."""
        if info.uid in self._pods:
            self.update(info)
            return
        queued = QueuedPod(info, self._clock.now())
        self._pods[info.uid] = queued
        self._place(queued)

    def update(self, info: PodInfo) -> None:
        """The waiting pod was changed: worth another try."""
        queued = self._pods.get(info.uid)
        if queued is None:
            self.add(info)
            return
        changed = queued.info.spec != info.spec or queued.info.labels != info.labels
        queued.info = info
        if changed:
            self._on_event(queued, ClusterEvent.SELF_UPDATED)

    def delete(self, uid: str) -> None:
        self._pods.pop(uid, None)
        self._where.pop(uid, None)

    def done(self, uid: str) -> None:
        """The pod has a node."""
        self.delete(uid)

    async def pop(self) -> QueuedPod:
        """The next pod to try, waiting for one; it is in flight until add_unschedulable, retry or done."""
        while True:
            self._flush_backoff()
            while self._active:
                _, order, uid = heapq.heappop(self._active)
                queued = self._pods.get(uid)
                if queued is None or self._where.get(uid) != "active" or queued.order != order:
                    continue
                self._where[uid] = "in-flight"
                queued.attempts += 1
                queued.tried_at = self._clock.monotonic()
                queued.seen_events = NO_EVENT
                return queued
            self._wake.clear()
            timeout = self._next_wait()
            try:
                async with asyncio.timeout(timeout):
                    await self._wake.wait()
            except TimeoutError:
                self._flush_sleepers()

    def add_unschedulable(self, queued: QueuedPod, refused_by: Iterable[str]) -> None:
        """It fitted nowhere; `refused_by` are the plugins that said no: none, where there was no node to ask about. Then
        any change may help."""
        if self._pods.get(queued.info.uid) is not queued:
            return
        plugins = list(refused_by)
        queued.wakes_on = ClusterEvent.SELF_UPDATED if plugins else ~NO_EVENT
        for plugin in plugins:
            queued.wakes_on |= self._plugin_events.get(plugin, NO_EVENT)
        self._where[queued.info.uid] = "unschedulable"
        if queued.seen_events & queued.wakes_on:
            self._wake_up(queued)
        self._wake.set()

    def retry(self, queued: QueuedPod) -> None:
        """Something broke that was not the pod's fault: again after its back-off."""
        if self._pods.get(queued.info.uid) is queued:
            self._wake_up(queued)

    def on_event(self, event: ClusterEvent) -> None:
        for queued in list(self._pods.values()):
            self._on_event(queued, event)

    def _on_event(self, queued: QueuedPod, event: ClusterEvent) -> None:
        place = self._where[queued.info.uid]
        if place == "in-flight":
            queued.seen_events |= event
        elif place == "unschedulable" and (queued.wakes_on & event):
            self._wake_up(queued)

    def _wake_up(self, queued: QueuedPod) -> None:
        if queued.backoff_until > self._clock.monotonic():
            self._push_backoff(queued)
        else:
            self._place(queued)

    def _place(self, queued: QueuedPod) -> None:
        """Active, unless gates hold it back."""
        queued.gates = tuple(self._gates(queued.info))
        uid = queued.info.uid
        if queued.gates:
            queued.wakes_on = ClusterEvent.SELF_UPDATED
            self._where[uid] = "unschedulable"
            return
        self._count += 1
        queued.order = self._count
        self._where[uid] = "active"
        key = self._sort_key(queued.info, queued.queued_at)
        heapq.heappush(self._active, (key, queued.order, uid))
        self._wake.set()

    def _push_backoff(self, queued: QueuedPod) -> None:
        self._count += 1
        queued.order = self._count
        self._where[queued.info.uid] = "backoff"
        heapq.heappush(self._backoff, (queued.backoff_until, queued.order, queued.info.uid))
        self._wake.set()

    def _flush_backoff(self) -> None:
        now = self._clock.monotonic()
        while self._backoff and self._backoff[0][0] <= now:
            _, order, uid = heapq.heappop(self._backoff)
            queued = self._pods.get(uid)
            if queued and self._where.get(uid) == "backoff" and queued.order == order:
                self._place(queued)

    def _flush_sleepers(self) -> None:
        """What has slept for five minutes is tried again, whatever the events said."""
        now = self._clock.monotonic()
        for uid, place in list(self._where.items()):
            queued = self._pods[uid]
            if place == "unschedulable" and not queued.gates and now - queued.tried_at >= LONGEST_SLEEP_S:
                self._place(queued)

    def _next_wait(self) -> float | None:
        now = self._clock.monotonic()
        ends = [self._backoff[0][0]] if self._backoff else []
        ends += [
            self._pods[uid].tried_at + LONGEST_SLEEP_S
            for uid, place in self._where.items()
            if place == "unschedulable" and not self._pods[uid].gates
        ]
        return max(0.0, min(ends) - now) if ends else None
