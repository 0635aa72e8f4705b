"""The scheduler: watches, queue, cycle and binding put together.

    informers ──► cache (nodes, placed pods)
        └───────► queue (pods without a node) ──► cycle ──► assume ──► bind (in the background)
                        ▲                           │
                        └── events that may help ◄──┴── nothing fits: condition + event with the reason per node

Cycles run one after another; binding does not hold them up. Talks only to the API server.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from client.client import Client
from client.events import EventRecorder
from client.informer import InformerFactory
from client.logs import get_logger
from client.transport import TransportError
from machinery.clock import Clock, rfc3339
from machinery.errors import ApiError, Conflict, NotFound
from machinery.gvk import NODES, PODS
from scheduler.cache import SchedulerCache
from scheduler.cycle import Cycle, Decision
from scheduler.framework.framework import Framework
from scheduler.framework.plugin import ClusterEvent, QueueSort
from scheduler.framework.podinfo import PodInfo, parse_pod
from scheduler.metrics import Metrics
from scheduler.plugins.scheduling_gates import SchedulingGates
from scheduler.queue import QueuedPod, SchedulingQueue

Obj = dict[str, Any]
log = get_logger("scheduler")

_FINISHED = ("Succeeded", "Failed")


class Scheduler:
    """Places pods whose `spec.schedulerName` is the framework's name. `run()` ends only by cancellation."""

    def __init__(
        self,
        client: Client,
        informers: InformerFactory,
        framework: Framework,
        clock: Clock,
        rng: random.Random,
        recorder: EventRecorder,
    ) -> None:
        self._client = client
        self._informers = informers
        self._framework = framework
        self._clock = clock
        self._recorder = recorder
        self.metrics = Metrics()
        self.cache = SchedulerCache()
        self._cycle = Cycle(framework, rng)
        sort = next(plugin for plugin in framework.plugins if isinstance(plugin, QueueSort))
        gates = next((p for p in framework.plugins if isinstance(p, SchedulingGates)), SchedulingGates())
        self.queue = SchedulingQueue(clock, sort.sort_key, framework.plugin_events(), gates.gates)
        self._nodes = informers.informer(NODES)
        self._pods = informers.informer(PODS)

    def has_synced(self) -> bool:
        return self._nodes.has_synced() and self._pods.has_synced()

    async def run(self) -> None:
        """Runs until cancelled; the informers are run by whoever made their factory."""
        self._nodes.add_handler(
            on_add=self._on_node_add, on_update=self._on_node_update, on_delete=self._on_node_delete
        )
        self._pods.add_handler(
            on_add=self._on_pod_add, on_update=self._on_pod_update, on_delete=self._on_pod_delete
        )
        await self._nodes.wait_synced()
        await self._pods.wait_synced()
        async with asyncio.TaskGroup() as group:
            while True:
                queued = await self.queue.pop()
                await self._schedule_one(queued, group)

    async def _schedule_one(self, queued: QueuedPod, group: asyncio.TaskGroup) -> None:
        info = queued.info
        if "deletionTimestamp" in info.pod["metadata"] or self.cache.is_assumed(info.uid):
            self.queue.done(info.uid)
            return
        snapshot = self.cache.snapshot()
        started = self._clock.monotonic()
        try:
            decision = self._cycle.decide(info, snapshot)
            if not decision.node_name:
                nominated, more = await self._framework.post_filter(
                    decision.state, info, snapshot, decision.refusals
                )
                self.metrics.attempt("unschedulable", self._clock.monotonic() - started)
                group.create_task(self._on_unschedulable(queued, decision, nominated, more))
                return
        except Exception as error:  # a broken plugin must not end the scheduler
            log.exception("scheduling failed", pod=str(info.key))
            self.metrics.attempt("error", self._clock.monotonic() - started)
            self._recorder.event(info.pod, "Warning", "FailedScheduling", f"scheduler error: {error!r}")
            self.queue.retry(queued)
            return
        reserved = self._framework.reserve(decision.state, info, decision.node_name)
        if not reserved.ok:
            self.queue.add_unschedulable(queued, [reserved.plugin])
            return
        self.cache.assume(info, decision.node_name)
        self.metrics.attempt("scheduled", self._clock.monotonic() - started)
        group.create_task(self._bind(queued, decision))

    async def _bind(self, queued: QueuedPod, decision: Decision) -> None:
        info, node_name = queued.info, decision.node_name
        try:
            status = await self._framework.bind(decision.state, info, node_name)
        except (NotFound, Conflict) as error:
            # The pod is gone, or another scheduler has placed it: the watch will say.
            log.info("not bound", pod=str(info.key), node=node_name, why=str(error))
            self._take_back(info, decision)
            self.queue.delete(info.uid)
            self._requeue_if_alive(info)
            return
        except (ApiError, TransportError) as error:
            log.warning("binding failed", pod=str(info.key), node=node_name, why=str(error))
            self._take_back(info, decision)
            self.queue.retry(queued)
            return
        if not status.ok:
            self._take_back(info, decision)
            self.queue.add_unschedulable(queued, [status.plugin])
            return
        self.queue.done(info.uid)
        self.metrics.scheduled(self._clock.now() - queued.queued_at, queued.attempts)
        where = f"Successfully assigned {info.key} to {node_name}"
        self._recorder.event(info.pod, "Normal", "Scheduled", where)

    def _take_back(self, info: PodInfo, decision: Decision) -> None:
        self.cache.forget(info.uid)
        self._framework.unreserve(decision.state, info, decision.node_name)
        self.queue.on_event(ClusterEvent.POD_DELETED)

    def _requeue_if_alive(self, info: PodInfo) -> None:
        """After a conflict: the watch may have nothing new to say about a pod that is still there without a node."""
        pod = self._pods.lister.get(info.key.namespace, info.key.name)
        if pod is not None and pod["metadata"].get("uid") == info.uid:
            self._on_pod_add(pod)

    async def _on_unschedulable(
        self, queued: QueuedPod, decision: Decision, nominated: str, more: str
    ) -> None:
        info = queued.info
        message = decision.message() + (f" {more}" if more else "")
        self.queue.add_unschedulable(queued, decision.refused_by())
        self._recorder.event(info.pod, "Warning", "FailedScheduling", message)
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
        if _has_condition(info.pod, condition) and not nominated:
            return
        condition["lastTransitionTime"] = rfc3339(self._clock.now())
        status: Obj = {"conditions": [condition]}
        if nominated:
            status["nominatedNodeName"] = nominated
        try:
            await self._client.patch(
                PODS,
                info.key.name,
                {"metadata": {"uid": info.uid}, "status": status},
                info.key.namespace,
                type="strategic",
                subresource="status",
            )
        except (NotFound, Conflict):
            return  # deleted, or replaced by another of the same name
        except (ApiError, TransportError) as error:
            log.warning("condition not written", pod=str(info.key), why=str(error))

    # What the watches tell.

    def _is_ours(self, pod: Obj) -> bool:
        return bool(pod["spec"].get("schedulerName", self._framework.name) == self._framework.name)

    def _on_pod_add(self, pod: Obj) -> None:
        if pod.get("status", {}).get("phase") in _FINISHED:
            return
        info = parse_pod(pod)
        if info.node_name:
            self.cache.set_pod(info)
            self.queue.done(info.uid)
            self.queue.on_event(ClusterEvent.POD_ADDED)
        elif self._is_ours(pod) and "deletionTimestamp" not in pod["metadata"]:
            self.queue.add(info)

    def _on_pod_update(self, old: Obj, pod: Obj) -> None:
        if old["metadata"].get("uid") != pod["metadata"].get("uid"):
            self._on_pod_delete(old)
        if pod.get("status", {}).get("phase") in _FINISHED:
            self._on_pod_delete(pod)
            return
        if not pod["spec"].get("nodeName"):
            if "deletionTimestamp" in pod["metadata"]:
                self.queue.delete(pod["metadata"]["uid"])
            elif self._is_ours(pod) and not self.cache.is_assumed(pod["metadata"]["uid"]):
                self.queue.update(parse_pod(pod))
            return
        if not old["spec"].get("nodeName"):
            self._on_pod_add(pod)
        elif old["spec"] != pod["spec"] or old["metadata"].get("labels") != pod["metadata"].get("labels"):
            self.cache.set_pod(parse_pod(pod))
            self.queue.on_event(ClusterEvent.POD_UPDATED)

    def _on_pod_delete(self, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        self.cache.remove_pod(uid)
        self.queue.delete(uid)
        if pod["spec"].get("nodeName"):
            self.queue.on_event(ClusterEvent.POD_DELETED)

    def _on_node_add(self, node: Obj) -> None:
        self.cache.set_node(node)
        self.queue.on_event(ClusterEvent.NODE_ADDED)

    def _on_node_update(self, old: Obj, node: Obj) -> None:
        event = plan_node_event(old, node)
        if event:
            self.cache.set_node(node)
            self.queue.on_event(event)

    def _on_node_delete(self, node: Obj) -> None:
        self.cache.remove_node(node["metadata"]["name"])


def plan_node_event(old: Obj, node: Obj) -> ClusterEvent:
    """What of a node's change may matter to a waiting pod; empty for a mere heartbeat."""
    event = ClusterEvent(0)
    before, after = old.get("status", {}), node.get("status", {})
    if before.get("allocatable") != after.get("allocatable"):
        event |= ClusterEvent.NODE_ALLOCATABLE
    if old["metadata"].get("labels") != node["metadata"].get("labels"):
        event |= ClusterEvent.NODE_LABELS
    specs = old.get("spec", {}), node.get("spec", {})
    if any(specs[0].get(field) != specs[1].get(field) for field in ("taints", "unschedulable")):
        event |= ClusterEvent.NODE_TAINTS
    if _condition_states(before) != _condition_states(after):
        event |= ClusterEvent.NODE_CONDITIONS
    return event


def _condition_states(status: Obj) -> dict[str, str]:
    return {c["type"]: c["status"] for c in status.get("conditions") or ()}


def _has_condition(pod: Obj, wanted: Obj) -> bool:
    for condition in pod.get("status", {}).get("conditions") or ():
        if condition["type"] == wanted["type"]:
            return all(condition.get(name) == value for name, value in wanted.items())
    return False
