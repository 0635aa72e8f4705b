"""Components killed while real containers run: no container notices, and every lost one comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from clusters import Cluster, home, make_cluster, why_no_containers

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]


@pytest.fixture
def real() -> Iterator[Cluster]:
    """A cluster with a pod `steady` and a deployment `web` of two, all of real processes."""
    if why := why_no_containers():
        pytest.skip(why)
    with home() as directory:
        cluster = make_cluster(directory, f"kills-{os.getpid()}")
        try:
            cluster.kctl("up", cluster.name).checked()
            cluster.kctl("images", "build-busybox", cluster.name, "--tag", "localhost/web:1").checked()
            run = ("--image=localhost/web:1", "--command", "--", "sh", "-c", "echo begun; exec sleep 7654321")
            cluster.kctl("run", "steady", *run).checked()
            command = ("--image=localhost/web:1", "--replicas=2", "--", "sleep", "7654321")
            cluster.kctl("create", "deployment", "web", *command).checked()
            cluster.kctl("rollout", "status", "deployment/web", "--timeout=20s").checked()
            cluster.kctl("wait", "--for=condition=Ready", "pod/steady", "--timeout=20s").checked()
            yield cluster
        finally:
            cluster.kctl("down", cluster.name, "--delete").checked()


def processes() -> set[int]:
    found = subprocess.run(["pgrep", "-f", "^sleep 7654321"], capture_output=True, text=True)
    return {int(pid) for pid in found.stdout.split()}


def pid_of(cluster: Cluster, component: str) -> int:
    state = json.loads((cluster.data_dir / "run" / "state.json").read_text())
    if component == "supervisor":
        return int(state["supervisor"])
    return int(next(c["pid"] for c in state["components"] if c["name"] == component))


def spawners(cluster: Cluster) -> list[int]:
    pattern = f"runtime/spawner {cluster.data_dir}/"
    found = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def restarts(cluster: Cluster) -> list[str]:
    path = "jsonpath={.items[*].status.containerStatuses[*].restartCount}"
    return cluster.kctl("get", "pods", "-o", path).checked().split()


def until_ready(cluster: Cluster) -> None:
    wait = "until kctl get --raw /readyz >/dev/null 2>&1; do sleep 0.1; done"
    cluster.run("bash", "-c", wait, timeout_s=30).checked()
    cluster.kctl("wait", "--for=condition=Ready", "node/node-1", "--timeout=30s").checked()


def test_no_kill_of_a_component_touches_a_container(real: Cluster) -> None:
    before = processes()
    assert len(before) == 3
    for component in ("nodeagent-node-1", "apiserver", "controllers", "scheduler", "network"):
        os.kill(pid_of(real, component), signal.SIGKILL)
    until_ready(real)
    os.kill(pid_of(real, "supervisor"), signal.SIGKILL)
    again = real.kctl("up", real.name)
    while again.code and "already running" in again.err:  # its lock goes when its last child does
        time.sleep(0.1)
        again = real.kctl("up", real.name)
    again.checked()
    until_ready(real)
    assert processes() == before
    assert restarts(real) == ["0"] * 3
    assert real.kctl("logs", "steady").checked() == "begun\n"
    assert real.kctl("exec", "steady", "--", "echo", "here").checked() == "here\n"
    real.kctl("scale", "deployment", "web", "--replicas=3").checked()
    real.kctl("rollout", "status", "deployment/web", "--timeout=20s").checked()
    assert before < processes()


def test_containers_that_die_while_the_agent_is_away_are_started_again(real: Cluster) -> None:
    before = processes()
    os.kill(pid_of(real, "supervisor"), signal.SIGKILL)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while processes():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    real.kctl("up", real.name).checked()
    for pod in real.kctl("get", "pods", "-o", "name").checked().split():
        count = "--for=jsonpath={.status.containerStatuses[0].restartCount}=1"
        real.kctl("wait", count, pod, "--timeout=30s").checked()
        real.kctl("wait", "--for=condition=Ready", pod, "--timeout=30s").checked()
    codes = "jsonpath={.items[*].status.containerStatuses[0].lastState.terminated.exitCode}"
    assert real.kctl("get", "pods", "-o", codes).checked().split() == ["137"] * 3


def test_killed_spawner_is_replaced_and_its_pods_run_again(real: Cluster) -> None:
    before = spawners(real)
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while set(spawners(real)) & set(before) or not spawners(real):
        assert time.monotonic() < deadline, "no new spawner was started"
        time.sleep(0.05)
    real.kctl("rollout", "status", "deployment/web", "--timeout=40s").checked()
    real.kctl("wait", "--for=condition=Ready", "pod/steady", "--timeout=40s").checked()
    assert real.kctl("exec", "steady", "--", "echo", "here").checked() == "here\n"
    assert len(processes()) == 3
