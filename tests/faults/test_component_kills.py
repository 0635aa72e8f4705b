"""Components killed with SIGKILL in the middle of a rollout: it comes to its end, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal

import pytest
from clusters import Cluster

REPLICAS = 6


def pid_of(cluster: Cluster, component: str) -> int:
    state = json.loads((cluster.data_dir / "run" / "state.json").read_text())
    return int(next(c["pid"] for c in state["components"] if c["name"] == component))


def kill(cluster: Cluster, component: str) -> None:
    os.kill(pid_of(cluster, component), signal.SIGKILL)


def images_of_ready_pods(cluster: Cluster) -> list[str]:
    path = "{range .items[*]}{.spec.containers[0].image} {.status.conditions[?(@.type=='Ready')].status}{'\\n'}{end}"
    answer = cluster.kctl("get", "pods", "-l", "app=web", "-o", f"jsonpath={path}").checked()
    return [image for image, ready in (line.split() for line in answer.splitlines()) if ready == "True"]


@pytest.mark.timeout(120)
def test_rollout_converges_whatever_is_killed_in_its_course(broken: Cluster) -> None:
    broken.kctl("create", "deployment", "web", "--image=app:0", f"--replicas={REPLICAS}").checked()
    broken.kctl("rollout", "status", "deployment/web", "--timeout=20s").checked()
    broken.kctl("create", "configmap", "kept", "--from-literal=a=b").checked()
    rounds = ("scheduler", "controllers", "nodeagent-node-1", "apiserver", "all")
    for number, component in enumerate(rounds, start=1):
        broken.kctl("set", "image", "deployment/web", f"app=app:{number}").checked()
        for name in (
            ("scheduler", "controllers", "nodeagent-node-1", "nodeagent-node-2", "apiserver")
            if component == "all"
            else (component,)
        ):
            kill(broken, name)
        broken.run(
            "bash", "-c", "until kctl get --raw /readyz >/dev/null 2>&1; do sleep 0.1; done", timeout_s=30
        ).checked()
        broken.kctl("rollout", "status", "deployment/web", "--timeout=40s").checked()
        assert images_of_ready_pods(broken) == [f"app:{number}"] * REPLICAS, component
    assert broken.kctl("get", "configmap", "kept", "-o", "jsonpath={.data.a}").checked() == "b"
    answer = broken.kctl("get", "replicasets", "-l", "app=web", "-o", "name").checked()
    assert len(answer.split()) == len(rounds) + 1  # one for each version, none made twice


def test_killed_supervisor_takes_its_components_along_and_up_resumes_the_rollout(broken: Cluster) -> None:
    broken.kctl("create", "deployment", "web", "--image=app:0", f"--replicas={REPLICAS}").checked()
    broken.kctl("rollout", "status", "deployment/web", "--timeout=20s").checked()
    broken.kctl("set", "image", "deployment/web", "app=app:1").checked()
    state = json.loads((broken.data_dir / "run" / "state.json").read_text())
    os.kill(int(state["supervisor"]), signal.SIGKILL)
    broken.kctl("up", "fault", "--fake-runtime").checked()
    broken.kctl("rollout", "status", "deployment/web", "--timeout=40s").checked()
    assert images_of_ready_pods(broken) == ["app:1"] * REPLICAS
