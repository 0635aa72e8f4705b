"""NodePorts: two pods cannot have the same host port on one node."""

from __future__ import annotations

from scheduler.framework.nodeinfo import NodeInfo, Snapshot
from scheduler.framework.plugin import ClusterEvent, CycleState, PreFilterResult
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.status import SKIP, SUCCESS, Status, unschedulable


class NodePorts:
    name = "NodePorts"

    def events(self) -> ClusterEvent:
        return ClusterEvent.NODE_ADDED | ClusterEvent.POD_DELETED

    def pre_filter(self, state: CycleState, info: PodInfo, snapshot: Snapshot) -> PreFilterResult:
        return PreFilterResult(SUCCESS if info.host_ports else SKIP)

    def filter(self, state: CycleState, info: PodInfo, node: NodeInfo) -> Status:
        if any(port.conflicts(taken) for port in info.host_ports for taken in node.host_ports):
            return unschedulable("node(s) didn't have free ports for the requested pod ports")
        return SUCCESS
