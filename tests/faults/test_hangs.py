"""Components that are there and do nothing: the supervisor ends them and starts them again, and says where they hung."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

import pytest
from clusters import Cluster


@pytest.fixture
def watched(described: Cluster) -> Cluster:
    """A cluster whose components are given five seconds to answer."""
    described.kctl("up", "fault", "--fake-runtime", env={"KCTL_WATCHDOG_S": "5"}).checked()
    return described


def component(cluster: Cluster, name: str) -> tuple[int, int]:
    """(pid, restarts)"""
    state = json.loads((cluster.data_dir / "run" / "state.json").read_text())
    return next((part["pid"], part["restarts"]) for part in state["components"] if part["name"] == name)


def wait_for(check: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.05)


def test_api_server_and_node_agent_that_stand_still_are_replaced_by_ones_that_work(watched: Cluster) -> None:
    watched.kctl("create", "configmap", "before", "--from-literal=a=b").checked()
    names = ("apiserver", "nodeagent-node-1")
    time.sleep(2.5)  # each has been asked and has answered
    stopped = {name: component(watched, name)[0] for name in names}
    for pid in stopped.values():
        os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all(component(watched, name)[0] not in (0, stopped[name]) for name in names))
    wait_for(lambda: watched.kctl("get", "configmap", "before").code == 0)
    watched.kctl("create", "configmap", "after", "--from-literal=a=b").checked()
    for name in names:
        said = (watched.data_dir / "logs" / f"{name}.log").read_text()
        assert "has not answered GET /livez for" in said and "Fatal Python error: Aborted" in said
        assert component(watched, name)[1] >= 1
