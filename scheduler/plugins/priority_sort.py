"""PrioritySort: higher priority first, then the one that has waited longer."""

from __future__ import annotations

from scheduler.framework.plugin import NO_EVENT, ClusterEvent
from scheduler.framework.podinfo import PodInfo


class PrioritySort:
    name = "PrioritySort"

    def events(self) -> ClusterEvent:
        return NO_EVENT

    def sort_key(self, info: PodInfo, queued_at: float) -> tuple[int, float]:
        return (-info.priority, queued_at)
