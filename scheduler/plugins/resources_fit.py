"""NodeResourcesFit: the node must have room for what the pod requests; the emptier node scores more (LeastAllocated)."""

from __future__ import annotations

from scheduler.framework.nodeinfo import NodeInfo
from scheduler.framework.plugin import MAX_NODE_SCORE, ClusterEvent, CycleState
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.status import SUCCESS, Status, unresolvable, unschedulable

_SCORED = ("cpu", "memory")


class NodeResourcesFit:
    name = "NodeResourcesFit"

    def events(self) -> ClusterEvent:
        return (
            ClusterEvent.NODE_ADDED
            | ClusterEvent.NODE_ALLOCATABLE
            | ClusterEvent.POD_DELETED
            | ClusterEvent.POD_UPDATED
            | ClusterEvent.SELF_UPDATED
        )

    def filter(self, state: CycleState, info: PodInfo, node: NodeInfo) -> Status:
        lacking = []
        beyond = False
        if len(node.pods) + 1 > node.allocatable.get("pods", 0):
            lacking.append("Too many pods")
        for name, amount in info.requests.items():
            there = node.allocatable.get(name, 0)
            if amount and amount > there - node.requested.get(name, 0):
                lacking.append(f"Insufficient {name}")
                beyond = beyond or amount > there
        if not lacking:
            return SUCCESS
        return unresolvable(*lacking) if beyond else unschedulable(*lacking)

    def score(self, state: CycleState, info: PodInfo, node: NodeInfo) -> float:
        """The mean free share of cpu and memory after placing the pod, in whole points."""
        points = 0
        for name in _SCORED:
            there = node.allocatable.get(name, 0)
            used = node.assumed.get(name, 0) + info.assumed_requests.get(name, 0)
            if there and used <= there:
                points += (there - used) * MAX_NODE_SCORE // there
        return points // len(_SCORED)
