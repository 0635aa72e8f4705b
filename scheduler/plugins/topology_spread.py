"""PodTopologySpread: keeps the pods of a group evenly over zones, hosts or any other label of nodes.

For each constraint, the skew a node would bring is the count of matching pods in its domain (with this
pod) minus the smallest count of any eligible domain. DoNotSchedule forbids more than maxSkew;
ScheduleAnyway prefers emptier domains. Source: Kubernetes "Pod Topology Spread Constraints".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from scheduler.framework.nodeinfo import NodeInfo, Snapshot
from scheduler.framework.normalize import normalize_reversed
from scheduler.framework.plugin import ClusterEvent, CycleState, PreFilterResult
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.status import SKIP, SUCCESS, Status, unresolvable, unschedulable
from scheduler.plugins.label_selector import selects, with_match_keys
from scheduler.plugins.node_affinity import matches_node
from scheduler.plugins.tolerations import find_untolerated

Obj = dict[str, Any]
_HARD = frozenset({"NoSchedule", "NoExecute"})


@dataclass(slots=True)
class _Spread:
    """One constraint, and how many matching pods each domain holds."""

    key: str
    max_skew: int
    min_domains: int
    selects_self: bool
    counts: dict[str, int]

    def smallest(self) -> int:
        if len(self.counts) < self.min_domains:
            return 0
        return min(self.counts.values(), default=0)


class PodTopologySpread:
    name = "PodTopologySpread"

    def events(self) -> ClusterEvent:
        return (
            ClusterEvent.NODE_ADDED
            | ClusterEvent.NODE_LABELS
            | ClusterEvent.NODE_TAINTS
            | ClusterEvent.POD_ADDED
            | ClusterEvent.POD_DELETED
            | ClusterEvent.POD_UPDATED
            | ClusterEvent.SELF_UPDATED
        )

    def pre_filter(self, state: CycleState, info: PodInfo, snapshot: Snapshot) -> PreFilterResult:
        hard = _constraints(info, "DoNotSchedule")
        if not hard:
            return PreFilterResult(SKIP)
        state[self.name] = [_count(info, constraint, snapshot.nodes) for constraint in hard]
        return PreFilterResult(SUCCESS)

    def filter(self, state: CycleState, info: PodInfo, node: NodeInfo) -> Status:
        spreads: list[_Spread] = state[self.name]
        for spread in spreads:
            domain = node.labels.get(spread.key)
            if domain is None:
                return unresolvable(
                    "node(s) didn't match pod topology spread constraints (missing required label)"
                )
            skew = spread.counts.get(domain, 0) + spread.selects_self - spread.smallest()
            if skew > spread.max_skew:
                return unschedulable("node(s) didn't match pod topology spread constraints")
        return SUCCESS

    def pre_score(self, state: CycleState, info: PodInfo, nodes: Sequence[NodeInfo]) -> Status:
        soft = _constraints(info, "ScheduleAnyway")
        if not soft:
            return SKIP
        state[self.name + "/score"] = [_count(info, constraint, nodes) for constraint in soft]
        return SUCCESS

    def score(self, state: CycleState, info: PodInfo, node: NodeInfo) -> float:
        """The number of matching pods in the node's domains; a node without the label is the worst choice."""
        total = 0
        spreads: list[_Spread] = state[self.name + "/score"]
        for spread in spreads:
            domain = node.labels.get(spread.key)
            worst = max(spread.counts.values(), default=0) + 1
            total += worst if domain is None else spread.counts.get(domain, 0)
        return total

    def normalize(self, state: CycleState, info: PodInfo, scores: dict[str, float]) -> None:
        normalize_reversed(scores)


def _constraints(info: PodInfo, action: str) -> list[Obj]:
    return [c for c in info.spec.get("topologySpreadConstraints") or () if c["whenUnsatisfiable"] == action]


def _count(info: PodInfo, constraint: Obj, nodes: Iterable[NodeInfo]) -> _Spread:
    key = constraint["topologyKey"]
    selector = with_match_keys(
        constraint.get("labelSelector"), constraint.get("matchLabelKeys") or [], info.labels
    )
    counts: dict[str, int] = {}
    for node in nodes:
        domain = node.labels.get(key)
        if domain is None or not _is_eligible(info, constraint, node):
            continue
        matching = sum(
            pod.key.namespace == info.key.namespace
            and "deletionTimestamp" not in pod.pod["metadata"]
            and selects(selector, pod.labels)
            for pod in node.pods.values()
        )
        counts[domain] = counts.get(domain, 0) + matching
    return _Spread(
        key, constraint["maxSkew"], constraint.get("minDomains") or 1, selects(selector, info.labels), counts
    )


def _is_eligible(info: PodInfo, constraint: Obj, node: NodeInfo) -> bool:
    """Whether the node's domain counts: nodeAffinityPolicy (Honor) and nodeTaintsPolicy (Ignore) by default."""
    if constraint.get("nodeAffinityPolicy") != "Ignore" and not matches_node(info.spec, node):
        return False
    if constraint.get("nodeTaintsPolicy") == "Honor":
        return find_untolerated(node.taints, info.spec.get("tolerations") or (), _HARD) is None
    return True
