"""NodeUnschedulable: a cordoned node takes only pods that tolerate its cordon."""

from __future__ import annotations

from scheduler.framework.nodeinfo import NodeInfo
from scheduler.framework.plugin import ClusterEvent, CycleState
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.status import SUCCESS, Status, unresolvable
from scheduler.plugins.tolerations import tolerates

_CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class NodeUnschedulable:
    name = "NodeUnschedulable"

    def events(self) -> ClusterEvent:
        return ClusterEvent.NODE_ADDED | ClusterEvent.NODE_TAINTS | ClusterEvent.SELF_UPDATED

    def filter(self, state: CycleState, info: PodInfo, node: NodeInfo) -> Status:
        if node.node is None or not node.node.get("spec", {}).get("unschedulable"):
            return SUCCESS
        if any(tolerates(t, _CORDON) for t in info.spec.get("tolerations") or ()):
            return SUCCESS
        return unresolvable("node(s) were unschedulable")
