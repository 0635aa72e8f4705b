"""STATUS, READY and RESTARTS of pods, as `kubectl get pods` shows them."""

from __future__ import annotations

from typing import Any

import pytest

from api.core.v1.pod import POD
from api.core.v1.pod_columns import summarize

NOW = 1_704_067_275.0  # 2024-01-01T00:01:15Z


def pod(
    *containers: dict[str, Any], init: Any = (), spec: Any = None, meta: Any = None, **status: Any
) -> dict[str, Any]:
    names = [each["name"] for each in containers] or ["c"]
    return {
        "metadata": {"name": "p", **(meta or {})},
        "spec": {"containers": [{"name": n} for n in names], **(spec or {})},
        "status": {
            "phase": "Running",
            **status,
            "containerStatuses": list(containers),
            "initContainerStatuses": list(init),
        },
    }


def container(name: str = "c", *, ready: bool = False, restarts: int = 0, **state: Any) -> dict[str, Any]:
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state}


RUNNING: dict[str, Any] = {"running": {"startedAt": "2024-01-01T00:00:00Z"}}
READY_CONDITION = [{"type": "Ready", "status": "True"}]


@pytest.mark.parametrize(
    ("given", "status", "ready"),
    [
        (pod(phase="Pending"), "Pending", "0/1"),
        (pod(phase="Failed", reason="Evicted"), "Evicted", "0/1"),
        (pod(container(ready=True, **RUNNING)), "Running", "1/1"),
        (
            pod(container(waiting={"reason": "ContainerCreating"}), phase="Pending"),
            "ContainerCreating",
            "0/1",
        ),
        (pod(container(waiting={"reason": "CrashLoopBackOff"})), "CrashLoopBackOff", "0/1"),
        (pod(container(terminated={"reason": "OOMKilled", "exitCode": 137})), "OOMKilled", "0/1"),
        (pod(container(terminated={"exitCode": 3})), "ExitCode:3", "0/1"),
        (pod(container(terminated={"exitCode": 137, "signal": 9})), "Signal:9", "0/1"),
        (
            pod(container(terminated={"reason": "Completed", "exitCode": 0}), phase="Succeeded"),
            "Completed",
            "0/1",
        ),
        (
            pod(
                container("a", ready=True, **RUNNING),
                container("b", terminated={"reason": "Completed", "exitCode": 0}),
                conditions=READY_CONDITION,
            ),
            "Running",
            "1/2",
        ),
        (
            pod(
                container("a", terminated={"reason": "Completed", "exitCode": 0}),
                container("b", ready=True, **RUNNING),
            ),
            "NotReady",
            "1/2",
        ),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]),
            "SchedulingGated",
            "0/1",
        ),
        (
            pod(container(ready=True, **RUNNING), meta={"deletionTimestamp": "2024-01-01T00:00:00Z"}),
            "Terminating",
            "1/1",
        ),
        (pod(meta={"deletionTimestamp": "2024-01-01T00:00:00Z"}, reason="NodeLost"), "Unknown", "0/1"),
        (pod(meta={"deletionTimestamp": "2024-01-01T00:00:00Z"}, phase="Succeeded"), "Succeeded", "0/1"),
    ],
)
def test_pod_in_a_state_shows_upstreams_status(given: dict[str, Any], status: str, ready: str) -> None:
    summary = summarize(given)
    assert (summary.status, f"{summary.ready}/{summary.total}") == (status, ready)


INIT = {"initContainers": [{"name": "i1"}, {"name": "i2"}]}
SIDECAR = {"initContainers": [{"name": "s", "restartPolicy": "Always"}, {"name": "i2"}]}


@pytest.mark.parametrize(
    ("init", "spec", "status", "ready"),
    [
        ([container("i1", **RUNNING)], INIT, "Init:0/2", "0/1"),
        (
            [
                container("i1", terminated={"exitCode": 0}),
                container("i2", waiting={"reason": "PodInitializing"}),
            ],
            INIT,
            "Init:1/2",
            "0/1",
        ),
        ([container("i1", terminated={"exitCode": 1, "reason": "Error"})], INIT, "Init:Error", "0/1"),
        ([container("i1", terminated={"exitCode": 1})], INIT, "Init:ExitCode:1", "0/1"),
        ([container("i1", waiting={"reason": "CrashLoopBackOff"})], INIT, "Init:CrashLoopBackOff", "0/1"),
        (
            [{**container("s", ready=True, **RUNNING), "started": True}, container("i2", **RUNNING)],
            SIDECAR,
            "Init:1/2",
            "1/2",
        ),
    ],
)
def test_pod_that_initializes_shows_how_far_it_is(init: Any, spec: Any, status: str, ready: str) -> None:
    given = pod(container(waiting={"reason": "PodInitializing"}), init=init, spec=spec, phase="Pending")
    given["spec"]["containers"] = [{"name": "c"}]
    summary = summarize(given)
    assert (summary.status, f"{summary.ready}/{summary.total}") == (status, ready)


def test_restarts_after_initialization_count_containers_and_sidecars_only() -> None:
    given = pod(
        container("c", restarts=2, ready=True, **RUNNING),
        init=[
            container("i1", restarts=5, terminated={"exitCode": 0}),
            {**container("s", restarts=1, ready=True, **RUNNING), "started": True},
        ],
        spec={"initContainers": [{"name": "i1"}, {"name": "s", "restartPolicy": "Always"}]},
    )
    assert summarize(given).restarts == 3


def test_cells_of_a_restarted_pod_tell_when() -> None:
    restarted = {
        **container(restarts=3, ready=True, **RUNNING),
        "lastState": {"terminated": {"finishedAt": "2024-01-01T00:00:00Z"}},
    }
    given = pod(
        restarted,
        podIPs=[{"ip": "10.0.0.7"}],
        podIP="10.0.0.7",
        meta={"creationTimestamp": "2024-01-01T00:00:00Z"},
    )
    given["spec"] |= {"nodeName": "n1", "readinessGates": [{"conditionType": "x/y"}]}
    cells = {column.name: column.path(given, NOW) for column in POD.columns if callable(column.path)}
    assert cells == {
        "Name": "p",
        "Ready": "1/1",
        "Status": "Running",
        "Restarts": "3 (75s ago)",
        "Age": "75s",
        "IP": "10.0.0.7",
        "Node": "n1",
        "Nominated Node": "<none>",
        "Readiness Gates": "0/1",
    }
    assert [column.name for column in POD.columns if column.priority] == [
        "IP",
        "Node",
        "Nominated Node",
        "Readiness Gates",
    ]
