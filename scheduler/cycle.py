"""One scheduling decision: which node, or why none. Pure but for the plugins' own state.

The decision keeps its reasons: for every node that was looked at, the plugin that refused it and its
words; for a placement, the scores. Condition, event and `kctl describe` show them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.framework.framework import Framework
from scheduler.framework.nodeinfo import NodeInfo, Snapshot
from scheduler.framework.plugin import CycleState
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.status import Status, unresolvable

_ENOUGH_NODES = 100  # below this, every node is looked at


@dataclass(frozen=True, slots=True)
class Decision:
    """`node_name` "" means nothing fitted; `refusals` then has an entry for every node."""

    node_name: str
    refusals: Mapping[str, Status]
    scores: Mapping[str, float] = field(default_factory=dict)
    node_count: int = 0
    state: CycleState = field(default_factory=dict)

    def refused_by(self) -> list[str]:
        return sorted({status.plugin for status in self.refusals.values() if status.plugin})

    def message(self) -> str:
        """`0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`"""
        if not self.node_count:
            return "no nodes available to schedule pods"
        reasons = Counter(reason for status in self.refusals.values() for reason in status.reasons)
        counted = sorted(f"{count} {reason}" for reason, count in reasons.items())
        return f"0/{self.node_count} nodes are available: {', '.join(counted)}."


class Cycle:
    """Decides for one pod after another. `rng` breaks ties between equal scores; nodes are looked at in turn, so
    that on a large cluster (where not all are) no node is always the last."""

    def __init__(self, framework: Framework, rng: random.Random) -> None:
        self._framework = framework
        self._rng = rng
        self._next = 0

    def decide(self, info: PodInfo, snapshot: Snapshot) -> Decision:
        state: CycleState = {}
        count = len(snapshot.nodes)
        status, only = self._framework.pre_filter(state, info, snapshot)
        if not status.ok:
            return Decision("", {node.name: status for node in snapshot.nodes}, node_count=count, state=state)
        feasible, refusals = self._filter(state, info, snapshot, only)
        if not feasible:
            return Decision("", refusals, node_count=count, state=state)
        if len(feasible) == 1:
            return Decision(feasible[0].name, refusals, node_count=count, state=state)
        scores = self._framework.score(state, info, feasible)
        best = max(scores.values())
        name = self._rng.choice([name for name, score in scores.items() if score == best])
        return Decision(name, refusals, scores, count, state)

    def _filter(
        self, state: CycleState, info: PodInfo, snapshot: Snapshot, only: frozenset[str] | None
    ) -> tuple[list[NodeInfo], dict[str, Status]]:
        nodes = snapshot.nodes
        refusals: dict[str, Status] = {}
        if only is not None:
            outside = unresolvable("node(s) didn't satisfy plugin(s) [NodeAffinity]")
            refusals = {node.name: outside for node in nodes if node.name not in only}
            nodes = [node for node in nodes if node.name in only]
        feasible: list[NodeInfo] = []
        enough = nodes_to_find(len(nodes))
        for offset in range(len(nodes)):
            node = nodes[(self._next + offset) % len(nodes)]
            status = self._framework.filter(state, info, node)
            if status.ok:
                feasible.append(node)
                if len(feasible) >= enough:
                    break
            else:
                refusals[node.name] = status
        if nodes:
            self._next = (self._next + len(feasible) + len(refusals)) % len(nodes)
        return feasible, refusals


def nodes_to_find(count: int) -> int:
    """How many fitting nodes are enough: all of 100, then a share that falls from 50 % to 5 %, never under 100."""
    if count < _ENOUGH_NODES:
        return count
    percent = max(5, 50 - count // 125)
    return max(_ENOUGH_NODES, count * percent // 100)
