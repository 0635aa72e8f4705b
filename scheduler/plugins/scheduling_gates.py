"""SchedulingGates: a gated pod is not tried at all until its gates are removed (KEP-3521)."""

from __future__ import annotations

from scheduler.framework.plugin import ClusterEvent
from scheduler.framework.podinfo import PodInfo


class SchedulingGates:
    name = "SchedulingGates"

    def events(self) -> ClusterEvent:
        return ClusterEvent.SELF_UPDATED

    def gates(self, info: PodInfo) -> list[str]:
        """The names of the gates that still stand."""
        return [gate["name"] for gate in info.spec.get("schedulingGates") or ()]
