"""A node's status beside what the API server has kept of it."""

from __future__ import annotations

import copy
from pathlib import PurePosixPath

from api.core.v1.node import NODE
from nodeagent.config import AgentConfig
from nodeagent.node.machine import Machine
from nodeagent.node.status import NodeReading, is_same_status, node_status
from runtime.cri import RuntimeCondition


def test_status_as_it_is_kept_is_no_news() -> None:
    reading = NodeReading((RuntimeCondition("RuntimeReady", True),), (), None, frozenset(), "kctl", "1")
    config = AgentConfig("n", PurePosixPath("/data"), ("10.0.0.1",))

    def told(old: dict[str, object], now: float) -> dict[str, object]:
        return node_status(config, Machine(), reading, old, now)

    node = {"metadata": {"name": "n"}, "status": copy.deepcopy(told({}, 0.0))}
    NODE.codec().complete(node)
    assert is_same_status(node["status"], told(node["status"], 10.0))
