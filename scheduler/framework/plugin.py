"""The extension points. A plugin is a class with a `name` and the methods of the points it takes part in.

    queue:  Less          which pod is tried first (one plugin)
    cycle:  PreFilter     look at the pod once; may skip the plugin's Filter or name the only nodes worth a look
            Filter        may the pod run on this node?
            PostFilter    nothing fitted: make room (preemption)
            PreScore      prepare scoring over the nodes that fitted
            Score         0..100 for a node
            Reserve       the choice is made in memory: take what goes with it; unreserve gives it back
            Permit        last word before binding
    bind:   PreBind, Bind, PostBind

Between the points of one cycle a plugin keeps what it computed in the CycleState under its own name.
Which plugins run, in which order and with which weight, is the explicit table in `scheduler/profile.py`.

Source: Kubernetes "Scheduling Framework".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any, Protocol, runtime_checkable

from scheduler.framework.nodeinfo import NodeInfo, Snapshot
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.status import Status

MAX_NODE_SCORE = 100
CycleState = dict[str, Any]


class ClusterEvent(Flag):
    """What changed in the cluster, as far as it may let a waiting pod run."""

    NODE_ADDED = auto()
    NODE_ALLOCATABLE = auto()
    NODE_LABELS = auto()
    NODE_TAINTS = auto()
    NODE_CONDITIONS = auto()
    POD_DELETED = auto()  # an assigned pod is gone or ended
    POD_ADDED = auto()  # a pod was assigned
    POD_UPDATED = auto()  # an assigned pod's labels or requests changed
    SELF_UPDATED = auto()  # the waiting pod itself


NO_EVENT = ClusterEvent(0)


class Plugin(Protocol):
    @property
    def name(self) -> str: ...

    def events(self) -> ClusterEvent:
        """Which events may turn this plugin's refusal: a pod it refused sleeps until one of them."""
        ...


@dataclass(frozen=True, slots=True)
class PreFilterResult:
    """`node_names` None: every node is worth a look."""

    status: Status
    node_names: frozenset[str] | None = None


@runtime_checkable
class QueueSort(Protocol):
    def sort_key(self, info: PodInfo, queued_at: float) -> tuple[Any, ...]: ...


@runtime_checkable
class PreFilter(Protocol):
    def pre_filter(self, state: CycleState, info: PodInfo, snapshot: Snapshot) -> PreFilterResult: ...


@runtime_checkable
class Filter(Protocol):
    def filter(self, state: CycleState, info: PodInfo, node: NodeInfo) -> Status: ...


@runtime_checkable
class PostFilter(Protocol):
    async def post_filter(
        self, state: CycleState, info: PodInfo, snapshot: Snapshot, refusals: Mapping[str, Status]
    ) -> tuple[str, str]:
        """(name of the node where room was made or "", what to tell the user)."""
        ...


@runtime_checkable
class PreScore(Protocol):
    def pre_score(self, state: CycleState, info: PodInfo, nodes: Sequence[NodeInfo]) -> Status: ...


@runtime_checkable
class Score(Protocol):
    def score(self, state: CycleState, info: PodInfo, node: NodeInfo) -> float: ...


@runtime_checkable
class NormalizeScore(Protocol):
    def normalize(self, state: CycleState, info: PodInfo, scores: dict[str, float]) -> None:
        """Brings the scores of all nodes into 0..100, in place."""
        ...


@runtime_checkable
class Reserve(Protocol):
    def reserve(self, state: CycleState, info: PodInfo, node_name: str) -> Status: ...

    def unreserve(self, state: CycleState, info: PodInfo, node_name: str) -> None: ...


@runtime_checkable
class Permit(Protocol):
    async def permit(self, state: CycleState, info: PodInfo, node_name: str) -> Status: ...


@runtime_checkable
class PreBind(Protocol):
    async def pre_bind(self, state: CycleState, info: PodInfo, node_name: str) -> Status: ...


@runtime_checkable
class Bind(Protocol):
    async def bind(self, state: CycleState, info: PodInfo, node_name: str) -> Status:
        """SKIP leaves it to the next binder."""
        ...


@runtime_checkable
class PostBind(Protocol):
    def post_bind(self, state: CycleState, info: PodInfo, node_name: str) -> None: ...
