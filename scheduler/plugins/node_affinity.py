"""NodeAffinity: nodeSelector and required node affinity decide, preferred terms score.

Terms are ORed, the expressions within a term ANDed; an empty term matches nothing. Source: Kubernetes
"Assigning Pods to Nodes".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scheduler.framework.nodeinfo import NodeInfo, Snapshot
from scheduler.framework.normalize import normalize_by_max
from scheduler.framework.plugin import ClusterEvent, CycleState, PreFilterResult
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.status import SKIP, SUCCESS, Status, unresolvable

Obj = dict[str, Any]
_REFUSED = unresolvable("node(s) didn't match Pod's node affinity/selector")


class NodeAffinity:
    name = "NodeAffinity"

    def events(self) -> ClusterEvent:
        return ClusterEvent.NODE_ADDED | ClusterEvent.NODE_LABELS | ClusterEvent.SELF_UPDATED

    def pre_filter(self, state: CycleState, info: PodInfo, snapshot: Snapshot) -> PreFilterResult:
        """Terms that all name nodes by metadata.name leave only those worth a look (DaemonSets)."""
        required = _required_terms(info.spec)
        if not info.spec.get("nodeSelector") and required is None:
            return PreFilterResult(SKIP)
        if required is None:
            return PreFilterResult(SUCCESS)
        named = [_names_of(term) for term in required]
        if named and all(names is not None for names in named):
            return PreFilterResult(SUCCESS, frozenset(n for names in named if names for n in names))
        return PreFilterResult(SUCCESS)

    def filter(self, state: CycleState, info: PodInfo, node: NodeInfo) -> Status:
        return SUCCESS if matches_node(info.spec, node) else _REFUSED

    def pre_score(self, state: CycleState, info: PodInfo, nodes: Sequence[NodeInfo]) -> Status:
        return SUCCESS if _preferred_terms(info.spec) else SKIP

    def score(self, state: CycleState, info: PodInfo, node: NodeInfo) -> float:
        return float(
            sum(
                term["weight"]
                for term in _preferred_terms(info.spec)
                if matches_term(term["preference"], node)
            )
        )

    def normalize(self, state: CycleState, info: PodInfo, scores: dict[str, float]) -> None:
        normalize_by_max(scores)


def matches_node(spec: Obj, node: NodeInfo) -> bool:
    """Whether nodeSelector and required node affinity allow the node."""
    labels = node.labels
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return False
    required = _required_terms(spec)
    return required is None or any(matches_term(term, node) for term in required)


def matches_term(term: Obj, node: NodeInfo) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(matches_expression(e, node.labels) for e in expressions) and all(
        matches_expression(f, {"metadata.name": node.name}) for f in fields
    )


def matches_expression(expression: Obj, labels: Mapping[str, str]) -> bool:
    key, operator = expression["key"], expression["operator"]
    values: Sequence[str] = expression.get("values") or ()
    there = labels.get(key)
    if operator == "In":
        return there is not None and there in values
    if operator == "NotIn":
        return there is None or there not in values
    if operator == "Exists":
        return there is not None
    if operator == "DoesNotExist":
        return there is None
    return there is not None and len(values) == 1 and _compares(there, operator, values[0])


def _compares(there: str, operator: str, asked: str) -> bool:
    try:
        return int(there) > int(asked) if operator == "Gt" else int(there) < int(asked)
    except ValueError:
        return False


def _required_terms(spec: Obj) -> Sequence[Obj] | None:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else required.get("nodeSelectorTerms") or ()


def _preferred_terms(spec: Obj) -> Sequence[Obj]:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()


def _names_of(term: Obj) -> set[str] | None:
    """The node names a term allows by metadata.name, None where it names none."""
    names: set[str] | None = None
    for field in term.get("matchFields") or ():
        if field["key"] == "metadata.name" and field["operator"] == "In":
            values = set(field.get("values") or ())
            names = values if names is None else names & values
    return names
