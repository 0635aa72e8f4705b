"""A node with the pods that are, or are assumed to be, on it; kept up to date, never recomputed whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scheduler.framework.podinfo import HostPort, PodInfo, amounts

Obj = dict[str, Any]


class NodeInfo:
    """`node` is None for a name that pods mention and that has no Node object: such a node takes no pods.

    `generation` grows with every change; a snapshot copies only what grew.
    """

    __slots__ = ("allocatable", "assumed", "generation", "host_ports", "name", "node", "pods", "requested")

    def __init__(self, name: str) -> None:
        self.name = name
        self.node: Obj | None = None
        self.allocatable: dict[str, int] = {}
        self.requested: dict[str, int] = {}
        self.assumed: dict[str, int] = {}  # sum of the pods' assumed_requests
        self.pods: dict[str, PodInfo] = {}  # by uid
        self.host_ports: list[HostPort] = []
        self.generation = 0

    @property
    def labels(self) -> Mapping[str, str]:
        labels: Mapping[str, str] = (self.node or {}).get("metadata", {}).get("labels") or {}
        return labels

    @property
    def taints(self) -> Sequence[Obj]:
        taints: Sequence[Obj] = (self.node or {}).get("spec", {}).get("taints") or ()
        return taints

    def set_node(self, node: Obj | None, generation: int) -> None:
        self.node = node
        status = (node or {}).get("status") or {}
        self.allocatable = amounts(status.get("allocatable") or status.get("capacity") or {})
        self.generation = generation

    def add(self, info: PodInfo, generation: int) -> None:
        self.pods[info.uid] = info
        _sum(self.requested, info.requests, 1)
        _sum(self.assumed, info.assumed_requests, 1)
        self.host_ports.extend(info.host_ports)
        self.generation = generation

    def remove(self, uid: str, generation: int) -> None:
        info = self.pods.pop(uid, None)
        if info is None:
            return
        _sum(self.requested, info.requests, -1)
        _sum(self.assumed, info.assumed_requests, -1)
        for port in info.host_ports:
            self.host_ports.remove(port)
        self.generation = generation

    def copy(self) -> NodeInfo:
        other = NodeInfo(self.name)
        other.node = self.node
        other.allocatable = self.allocatable
        other.requested = dict(self.requested)
        other.assumed = dict(self.assumed)
        other.pods = dict(self.pods)
        other.host_ports = list(self.host_ports)
        other.generation = self.generation
        return other


def _sum(total: dict[str, int], change: Mapping[str, int], sign: int) -> None:
    for name, amount in change.items():
        left = total.get(name, 0) + sign * amount
        if left:
            total[name] = left
        else:
            total.pop(name, None)


class Snapshot:
    """The nodes as of one moment, in a fixed order: what one scheduling cycle reasons about."""

    __slots__ = ("by_name", "nodes")

    def __init__(self, nodes: Iterable[NodeInfo] = ()) -> None:
        self.nodes: list[NodeInfo] = list(nodes)
        self.by_name = {info.name: info for info in self.nodes}
