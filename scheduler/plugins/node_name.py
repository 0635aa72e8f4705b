"""NodeName: a pod that names its node fits nowhere else."""

from __future__ import annotations

from scheduler.framework.nodeinfo import NodeInfo
from scheduler.framework.plugin import ClusterEvent, CycleState
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.status import SUCCESS, Status, unresolvable


class NodeName:
    name = "NodeName"

    def events(self) -> ClusterEvent:
        return ClusterEvent.NODE_ADDED

    def filter(self, state: CycleState, info: PodInfo, node: NodeInfo) -> Status:
        if info.node_name and info.node_name != node.name:
            return unresolvable("node(s) didn't match the requested node name")
        return SUCCESS
