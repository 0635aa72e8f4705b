"""InterPodAffinity: pods that want to be near other pods, or away from them, by any label of nodes.

Required terms filter, in both directions for anti-affinity (a pod already placed may refuse the
newcomer); preferred terms of either side score. Source: Kubernetes "Inter-pod affinity and anti-affinity".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from scheduler.framework.nodeinfo import NodeInfo, Snapshot
from scheduler.framework.plugin import MAX_NODE_SCORE, ClusterEvent, CycleState, PreFilterResult
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.status import SKIP, SUCCESS, Status, unresolvable, unschedulable
from scheduler.plugins.label_selector import selects, with_match_keys

Obj = dict[str, Any]
Domain = tuple[str, str]  # (topology key, value)
NamespaceLabels = Callable[[str], Mapping[str, str]]
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


class _Counts:
    """How many placed pods matter in each domain."""

    __slots__ = ("affine", "anti", "refused")

    def __init__(self) -> None:
        self.affine: list[dict[Domain, int]] = []  # per required affinity term of the newcomer
        self.anti: list[dict[Domain, int]] = []  # per required anti-affinity term of the newcomer
        self.refused: set[Domain] = set()  # where a placed pod's anti-affinity refuses the newcomer


class InterPodAffinity:
    name = "InterPodAffinity"

    def __init__(self, namespace_labels: NamespaceLabels) -> None:
        self._namespace_labels = namespace_labels

    def events(self) -> ClusterEvent:
        return (
            ClusterEvent.NODE_ADDED
            | ClusterEvent.NODE_LABELS
            | ClusterEvent.POD_ADDED
            | ClusterEvent.POD_DELETED
            | ClusterEvent.POD_UPDATED
            | ClusterEvent.SELF_UPDATED
        )

    def pre_filter(self, state: CycleState, info: PodInfo, snapshot: Snapshot) -> PreFilterResult:
        affinity, anti = _terms(info, "podAffinity"), _terms(info, "podAntiAffinity")
        counts = _Counts()
        counts.affine = [self._count(info, [term], snapshot) for term in affinity]
        counts.anti = [self._count(info, [term], snapshot) for term in anti]
        for node, pod in _placed(snapshot.nodes):
            for term in _terms(pod, "podAntiAffinity"):
                domain = _domain(term, node)
                if domain is not None and self._matches(term, pod, info):
                    counts.refused.add(domain)
        if not affinity and not anti and not counts.refused:
            return PreFilterResult(SKIP)
        state[self.name] = counts
        return PreFilterResult(SUCCESS)

    def filter(self, state: CycleState, info: PodInfo, node: NodeInfo) -> Status:
        counts: _Counts = state[self.name]
        if not self._is_near(counts, info, node):
            return unresolvable("node(s) didn't match pod affinity rules")
        for term, found in zip(_terms(info, "podAntiAffinity"), counts.anti, strict=True):
            domain = _domain(term, node)
            if domain is not None and found.get(domain):
                return unschedulable("node(s) didn't match pod anti-affinity rules")
        if any(node.labels.get(key) == value for key, value in counts.refused):
            return unschedulable("node(s) didn't satisfy existing pods anti-affinity rules")
        return SUCCESS

    def _is_near(self, counts: _Counts, info: PodInfo, node: NodeInfo) -> bool:
        """Every required affinity term holds; the first pod of a group that only asks for itself may start it."""
        terms = _terms(info, "podAffinity")
        domains = [_domain(term, node) for term in terms]
        if any(domain is None for domain in domains):
            return False
        if all(found.get(domain) for found, domain in zip(counts.affine, domains, strict=True) if domain):
            return True
        return not any(counts.affine) and all(self._matches(term, info, info) for term in terms)

    def pre_score(self, state: CycleState, info: PodInfo, nodes: Sequence[NodeInfo]) -> Status:
        totals: dict[Domain, int] = {}
        for node, pod in _placed(nodes):
            for source, target in ((info, pod), (pod, info)):
                for sign, field in ((1, "podAffinity"), (-1, "podAntiAffinity")):
                    for weighted in _preferred(source, field):
                        term = weighted["podAffinityTerm"]
                        domain = _domain(term, node)
                        if domain is not None and self._matches(term, source, target):
                            totals[domain] = totals.get(domain, 0) + sign * weighted["weight"]
        if not totals:
            return SKIP
        state[self.name + "/score"] = totals
        return SUCCESS

    def score(self, state: CycleState, info: PodInfo, node: NodeInfo) -> float:
        totals: dict[Domain, int] = state[self.name + "/score"]
        return sum(weight for (key, value), weight in totals.items() if node.labels.get(key) == value)

    def normalize(self, state: CycleState, info: PodInfo, scores: dict[str, float]) -> None:
        low, high = min(scores.values()), max(scores.values())
        for name, score in scores.items():
            scores[name] = int((score - low) * MAX_NODE_SCORE / (high - low)) if high > low else 0.0

    def _count(self, info: PodInfo, terms: Sequence[Obj], snapshot: Snapshot) -> dict[Domain, int]:
        found: dict[Domain, int] = {}
        for node, pod in _placed(snapshot.nodes):
            for term in terms:
                domain = _domain(term, node)
                if domain is not None and self._matches(term, info, pod):
                    found[domain] = found.get(domain, 0) + 1
        return found

    def _matches(self, term: Obj, owner: PodInfo, other: PodInfo) -> bool:
        """Whether `owner`'s term speaks of `other`. Without namespaces it means the owner's own."""
        names, selector = term.get("namespaces") or [], term.get("namespaceSelector")
        if not names and selector is None:
            names = [owner.key.namespace]
        namespace = other.key.namespace
        if namespace not in names and not selects(selector, self._namespace_labels(namespace)):
            return False
        wanted = with_match_keys(term.get("labelSelector"), term.get("matchLabelKeys") or [], owner.labels)
        if not selects(wanted, other.labels):
            return False
        keys = term.get("mismatchLabelKeys") or []
        return not any(key in owner.labels and other.labels.get(key) == owner.labels[key] for key in keys)


def _placed(nodes: Sequence[NodeInfo]) -> Iterator[tuple[NodeInfo, PodInfo]]:
    for node in nodes:
        for pod in node.pods.values():
            yield node, pod


def _terms(info: PodInfo, field: str) -> Sequence[Obj]:
    return ((info.spec.get("affinity") or {}).get(field) or {}).get(_REQUIRED) or ()


def _preferred(info: PodInfo, field: str) -> Sequence[Obj]:
    return ((info.spec.get("affinity") or {}).get(field) or {}).get(_PREFERRED) or ()


def _domain(term: Obj, node: NodeInfo) -> Domain | None:
    value = node.labels.get(term["topologyKey"])
    return None if value is None else (term["topologyKey"], value)
