"""TaintToleration: NoSchedule and NoExecute taints keep pods away; PreferNoSchedule ones make a node a worse choice."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.framework.nodeinfo import NodeInfo
from scheduler.framework.normalize import normalize_reversed
from scheduler.framework.plugin import ClusterEvent, CycleState
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.status import SKIP, SUCCESS, Status, unresolvable
from scheduler.plugins.tolerations import find_untolerated, tolerates

_HARD = frozenset({"NoSchedule", "NoExecute"})


class TaintToleration:
    name = "TaintToleration"

    def events(self) -> ClusterEvent:
        return ClusterEvent.NODE_ADDED | ClusterEvent.NODE_TAINTS | ClusterEvent.SELF_UPDATED

    def filter(self, state: CycleState, info: PodInfo, node: NodeInfo) -> Status:
        if not node.taints:
            return SUCCESS
        taint = find_untolerated(node.taints, info.spec.get("tolerations") or (), _HARD)
        if taint is None:
            return SUCCESS
        return unresolvable(f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}")

    def pre_score(self, state: CycleState, info: PodInfo, nodes: Sequence[NodeInfo]) -> Status:
        soft = any(taint.get("effect") == "PreferNoSchedule" for node in nodes for taint in node.taints)
        return SUCCESS if soft else SKIP

    def score(self, state: CycleState, info: PodInfo, node: NodeInfo) -> float:
        """The number of soft taints not tolerated; fewer is better."""
        tolerations = [
            t
            for t in info.spec.get("tolerations") or ()
            if not t.get("effect") or t["effect"] == "PreferNoSchedule"
        ]
        return float(
            sum(
                taint.get("effect") == "PreferNoSchedule"
                and not any(tolerates(t, taint) for t in tolerations)
                for taint in node.taints
            )
        )

    def normalize(self, state: CycleState, info: PodInfo, scores: dict[str, float]) -> None:
        normalize_reversed(scores)
