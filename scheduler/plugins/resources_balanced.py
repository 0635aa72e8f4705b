"""NodeResourcesBalancedAllocation: prefers nodes whose cpu and memory fill up evenly."""

from __future__ import annotations

from scheduler.framework.nodeinfo import NodeInfo
from scheduler.framework.plugin import MAX_NODE_SCORE, NO_EVENT, ClusterEvent, CycleState
from scheduler.framework.podinfo import PodInfo


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"

    def events(self) -> ClusterEvent:
        return NO_EVENT

    def score(self, state: CycleState, info: PodInfo, node: NodeInfo) -> float:
        """100 minus the spread of the two shares (half their distance is their standard deviation)."""
        shares = [
            min(1.0, (node.requested.get(name, 0) + info.requests.get(name, 0)) / there)
            for name in ("cpu", "memory")
            if (there := node.allocatable.get(name, 0))
        ]
        if len(shares) < 2:
            return MAX_NODE_SCORE
        return int((1 - abs(shares[0] - shares[1]) / 2) * MAX_NODE_SCORE)
