"""A node's status beside what the API server has kept of it."""

from __future__ import annotations

import copy
from pathlib import PurePosixPath

from api.core.v1.node import NODE
from nodeagent.config import AgentConfig
from nodeagent.node.machine import Machine
from nodeagent.node.status import NodeReading, is_same_status, node_status
from runtime.cri import RuntimeCondition

READING = NodeReading((RuntimeCondition("RuntimeReady", True),), (), None, frozenset(), "kctl", "1")
CONFIG = AgentConfig("n", PurePosixPath("/data"), ("10.0.0.1",))


def test_extended_resources_that_others_advertise_stay_and_may_be_given_to_pods() -> None:
    old = {
        "capacity": {"example.com/dongle": "4", "cpu": "99", "kubernetes.io/odd": "1"},
        "allocatable": {"example.com/dongle": "3", "example.com/withdrawn": "1"},
    }
    status = node_status(CONFIG, Machine(), READING, old, 0.0)
    assert status["capacity"]["example.com/dongle"] == status["allocatable"]["example.com/dongle"] == "4"
    assert status["capacity"]["cpu"] != "99"
    assert not {"kubernetes.io/odd", "example.com/withdrawn"} & {*status["capacity"], *status["allocatable"]}


def test_status_as_it_is_kept_is_no_news() -> None:
    def told(old: dict[str, object], now: float) -> dict[str, object]:
        return node_status(CONFIG, Machine(), READING, old, now)

    node = {"metadata": {"name": "n"}, "status": copy.deepcopy(told({}, 0.0))}
    NODE.codec().complete(node)
    assert is_same_status(node["status"], told(node["status"], 10.0))
