"""Events about the node itself: what its conditions turned to. `plan_node_events` is pure.

As the kubelet's, they name the node as uid too, where `kubectl describe node` looks for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nodeagent.pod.events import Recorder

Obj = dict[str, Any]
# condition → its event where True, where False
_REASONS = {
    "MemoryPressure": ("NodeHasInsufficientMemory", "NodeHasSufficientMemory"),
    "DiskPressure": ("NodeHasDiskPressure", "NodeHasNoDiskPressure"),
    "PIDPressure": ("NodeHasInsufficientPID", "NodeHasSufficientPID"),
    "Ready": ("NodeReady", "NodeNotReady"),
}


def plan_node_events(old: Iterable[Obj], new: Iterable[Obj]) -> list[str]:
    """The reasons to tell, for the conditions whose status is another than before."""
    before = {condition["type"]: condition["status"] for condition in old}
    return [
        _REASONS[condition["type"]][condition["status"] != "True"]
        for condition in new
        if condition["type"] in _REASONS and before.get(condition["type"]) != condition["status"]
    ]


class NodeEvents:
    def __init__(self, recorder: Recorder, node_name: str) -> None:
        self._recorder = recorder
        self._name = node_name
        self._about = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node_name, "uid": node_name},
        }

    def normal(self, reason: str, message: str) -> None:
        self._recorder.event(self._about, "Normal", reason, message)

    def warning(self, reason: str, message: str) -> None:
        self._recorder.event(self._about, "Warning", reason, message)

    def conditions(self, old: Iterable[Obj], new: Iterable[Obj]) -> None:
        for reason in plan_node_events(old, new):
            self.normal(reason, f"Node {self._name} status is now: {reason}")
