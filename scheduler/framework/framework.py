"""Runs a profile's plugins, point by point. Holds no state between cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scheduler.framework.nodeinfo import NodeInfo, Snapshot
from scheduler.framework.plugin import (
    MAX_NODE_SCORE,
    Bind,
    ClusterEvent,
    CycleState,
    Filter,
    NormalizeScore,
    Permit,
    Plugin,
    PostBind,
    PostFilter,
    PreBind,
    PreFilter,
    PreScore,
    Reserve,
    Score,
)
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.status import SUCCESS, Code, Status

_SKIPPED = "framework/skipped-filters"


@dataclass(frozen=True, slots=True)
class Weighted:
    """A row of the plugin table. A weight of 0 leaves the plugin out of scoring."""

    plugin: Plugin
    weight: int = 1


class Framework:
    def __init__(self, name: str, table: Sequence[Weighted]) -> None:
        self.name = name
        self.plugins = [row.plugin for row in table]
        self._pre_filters = [p for p in self.plugins if isinstance(p, PreFilter)]
        self._filters = [p for p in self.plugins if isinstance(p, Filter)]
        self._post_filters = [p for p in self.plugins if isinstance(p, PostFilter)]
        self._scores = [(r.plugin, r.weight) for r in table if isinstance(r.plugin, Score) and r.weight]
        self._reserves = [p for p in self.plugins if isinstance(p, Reserve)]
        self._permits = [p for p in self.plugins if isinstance(p, Permit)]
        self._pre_binds = [p for p in self.plugins if isinstance(p, PreBind)]
        self._binds = [p for p in self.plugins if isinstance(p, Bind)]
        self._post_binds = [p for p in self.plugins if isinstance(p, PostBind)]

    def plugin_events(self) -> dict[str, ClusterEvent]:
        return {plugin.name: plugin.events() for plugin in self.plugins}

    def pre_filter(
        self, state: CycleState, info: PodInfo, snapshot: Snapshot
    ) -> tuple[Status, frozenset[str] | None]:
        """A refusal here is one for every node; else the nodes worth a look (None: all)."""
        only: frozenset[str] | None = None
        skipped: set[str] = set()
        for plugin in self._pre_filters:
            result = plugin.pre_filter(state, info, snapshot)
            if result.status.code is Code.SKIP:
                skipped.add(_name(plugin))
            elif not result.status.ok:
                return replace(result.status, plugin=_name(plugin)), None
            elif result.node_names is not None:
                only = result.node_names if only is None else only & result.node_names
        state[_SKIPPED] = skipped
        return SUCCESS, only

    def filter(self, state: CycleState, info: PodInfo, node: NodeInfo) -> Status:
        """The first refusal, with the plugin that made it."""
        skipped = state[_SKIPPED]
        for plugin in self._filters:
            name = _name(plugin)
            if name in skipped:
                continue
            status = plugin.filter(state, info, node)
            if not status.ok:
                return replace(status, plugin=name)
        return SUCCESS

    async def post_filter(
        self, state: CycleState, info: PodInfo, snapshot: Snapshot, refusals: Mapping[str, Status]
    ) -> tuple[str, str]:
        for plugin in self._post_filters:
            node_name, message = await plugin.post_filter(state, info, snapshot, refusals)
            if node_name or message:
                return node_name, message
        return "", ""

    def score(self, state: CycleState, info: PodInfo, nodes: Sequence[NodeInfo]) -> dict[str, float]:
        """Weighted sums by node name; each plugin contributes 0..100 times its weight."""
        totals = {node.name: 0.0 for node in nodes}
        for plugin, weight in self._scores:
            if isinstance(plugin, PreScore) and plugin.pre_score(state, info, nodes).code is Code.SKIP:
                continue
            scores = {node.name: plugin.score(state, info, node) for node in nodes}
            if isinstance(plugin, NormalizeScore):
                plugin.normalize(state, info, scores)
            for name, score in scores.items():
                if not 0 <= score <= MAX_NODE_SCORE:
                    raise ValueError(f"plugin {_name(plugin)} scored {score} for {name}, not within 0..100")
                totals[name] += score * weight
        return totals

    def reserve(self, state: CycleState, info: PodInfo, node_name: str) -> Status:
        for count, plugin in enumerate(self._reserves):
            status = plugin.reserve(state, info, node_name)
            if not status.ok:
                for done in reversed(self._reserves[: count + 1]):
                    done.unreserve(state, info, node_name)
                return replace(status, plugin=_name(plugin))
        return SUCCESS

    def unreserve(self, state: CycleState, info: PodInfo, node_name: str) -> None:
        for plugin in reversed(self._reserves):
            plugin.unreserve(state, info, node_name)

    async def bind(self, state: CycleState, info: PodInfo, node_name: str) -> Status:
        """Permit, PreBind, Bind, PostBind. Raises what a binder raises."""
        for permit in self._permits:
            status = await permit.permit(state, info, node_name)
            if not status.ok:
                return replace(status, plugin=_name(permit))
        for pre_bind in self._pre_binds:
            status = await pre_bind.pre_bind(state, info, node_name)
            if not status.ok:
                return replace(status, plugin=_name(pre_bind))
        for bind in self._binds:
            status = await bind.bind(state, info, node_name)
            if status.code is Code.SKIP:
                continue
            if status.ok:
                for post_bind in self._post_binds:
                    post_bind.post_bind(state, info, node_name)
            return status
        return Status(Code.ERROR, ("no plugin bound the pod",))


def _name(plugin: Any) -> str:
    """Every plugin has a name, whichever of the extension points it serves."""
    return str(plugin.name)
