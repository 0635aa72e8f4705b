"""What is where: nodes and the pods on them, ahead of the API server by the placements just decided.

A placement is *assumed* at once, so that the next cycle counts it, and confirmed when the watch shows
the bound pod, or forgotten when binding fails. Snapshots share what has not changed.
"""

from __future__ import annotations

from typing import Any

from scheduler.framework.nodeinfo import NodeInfo, Snapshot
from scheduler.framework.podinfo import PodInfo

Obj = dict[str, Any]


class SchedulerCache:
    def __init__(self) -> None:
        self._nodes: dict[str, NodeInfo] = {}
        self._placed: dict[str, str] = {}  # pod uid → node name
        self._assumed: set[str] = set()
        self._generation = 0
        self._snapshot = Snapshot()
        self._snapshot_generation = 0

    def _next(self) -> int:
        self._generation += 1
        return self._generation

    def _node(self, name: str) -> NodeInfo:
        info = self._nodes.get(name)
        if info is None:
            info = self._nodes[name] = NodeInfo(name)
        return info

    def set_node(self, node: Obj) -> None:
        self._node(node["metadata"]["name"]).set_node(node, self._next())

    def remove_node(self, name: str) -> None:
        info = self._nodes.get(name)
        if info is None:
            return
        info.set_node(None, self._next())
        if not info.pods:
            del self._nodes[name]

    def set_pod(self, info: PodInfo) -> None:
        """A pod with a node, as the API server has it: confirms an assumption or corrects it."""
        self._take_off(info.uid)
        self._assumed.discard(info.uid)
        self._put_on(info, info.node_name)

    def remove_pod(self, uid: str) -> None:
        self._assumed.discard(uid)
        self._take_off(uid)

    def assume(self, info: PodInfo, node_name: str) -> None:
        self._put_on(info, node_name)
        self._assumed.add(info.uid)

    def forget(self, uid: str) -> None:
        """Binding failed. Nothing happens when the API server has confirmed the pod meanwhile."""
        if uid in self._assumed:
            self._assumed.discard(uid)
            self._take_off(uid)

    def is_assumed(self, uid: str) -> bool:
        return uid in self._assumed

    def _put_on(self, info: PodInfo, node_name: str) -> None:
        self._placed[info.uid] = node_name
        self._node(node_name).add(info, self._next())

    def _take_off(self, uid: str) -> None:
        name = self._placed.pop(uid, None)
        if name is None:
            return
        node = self._nodes[name]
        node.remove(uid, self._next())
        if node.node is None and not node.pods:
            del self._nodes[name]

    def snapshot(self) -> Snapshot:
        """Nodes that exist, ordered by name."""
        if self._snapshot_generation == self._generation:
            return self._snapshot
        old = self._snapshot.by_name
        nodes = []
        for name in sorted(self._nodes):
            info = self._nodes[name]
            if info.node is None:
                continue
            kept = old.get(name)
            nodes.append(kept if kept is not None and kept.generation == info.generation else info.copy())
        self._snapshot = Snapshot(nodes)
        self._snapshot_generation = self._generation
        return self._snapshot
