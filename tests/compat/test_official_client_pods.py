"""The official client on pods that run: logs, exec and attach over websockets, evictions, ephemeral containers, the proxy."""

from __future__ import annotations

import time
from typing import Any

import pytest
from kubernetes import client, stream, watch
from kubernetes.utils import retry


def pod(name: str, script: str, **spec: Any) -> dict[str, Any]:
    main = {"name": "main", "image": "busybox", "command": ["sh", "-c", script]}
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": {"containers": [main], **spec}}


@pytest.fixture
def core(api_client):
    return client.CoreV1Api(api_client)


@pytest.fixture
def run(core, namespace):
    """Creates a pod and waits, on a watch, until it is in `phase`."""

    def start(body: dict[str, Any], phase: str = "Running") -> Any:
        name = body["metadata"]["name"]
        core.create_namespaced_pod(namespace, body)
        stream = watch.Watch()
        for event in stream.stream(
            core.list_namespaced_pod, namespace, field_selector=f"metadata.name={name}", timeout_seconds=20
        ):
            if event["object"].status.phase == phase:
                stream.stop()
                return event["object"]
        raise AssertionError(f"{name} did not come to {phase}")

    return start


def test_logs_are_read_whole_by_lines_and_followed_to_the_end(core, namespace, run):
    run(pod("done", "echo one; echo two; echo three", restartPolicy="Never"), "Succeeded")
    assert core.read_namespaced_pod_log("done", namespace) == "one\ntwo\nthree\n"
    assert core.read_namespaced_pod_log("done", namespace, tail_lines=1) == "three\n"
    assert core.read_namespaced_pod_log("done", namespace, limit_bytes=5) == "one\nt"
    assert core.read_namespaced_pod_log("done", namespace, timestamps=True).startswith("20")

    run(pod("slow", "echo a; sleep 1; echo b", restartPolicy="Never"))
    assert list(watch.Watch().stream(core.read_namespaced_pod_log, "slow", namespace)) == ["a", "b"]


def test_exec_returns_output_and_exit_code(core, namespace, run):
    run(pod("shell", "sleep 3600"))
    ask = {"stdin": False, "stdout": True, "stderr": True, "tty": False}
    said = stream.stream(
        core.connect_get_namespaced_pod_exec, "shell", namespace, command=["echo", "hello"], **ask
    )
    assert said == "hello\n"
    session = stream.stream(
        core.connect_get_namespaced_pod_exec,
        "shell",
        namespace,
        command=["sh", "-c", "echo out; exit 7"],
        _preload_content=False,
        **ask,
    )
    session.run_forever(timeout=10)
    assert (session.read_stdout(), session.returncode) == ("out\n", 7)


def test_exec_carries_stdin_there_and_back(core, namespace, run):
    run(pod("shell", "sleep 3600"))
    session = stream.stream(
        core.connect_get_namespaced_pod_exec,
        "shell",
        namespace,
        command=["cat"],
        stdin=True,
        stdout=True,
        stderr=True,
        tty=False,
        _preload_content=False,
    )
    session.write_stdin("first\n")
    assert session.readline_stdout(timeout=10) == "first"
    session.write_stdin("second\n")
    assert session.readline_stdout(timeout=10) == "second"
    session.close()


def test_exec_into_what_is_not_there_says_so(core, namespace, run):
    run(pod("shell", "sleep 3600"))
    ask = {"command": ["true"], "stdout": True, "stderr": True, "stdin": False, "tty": False}
    with pytest.raises(client.ApiException, match="404"):
        stream.stream(core.connect_get_namespaced_pod_exec, "nobody", namespace, **ask)
    with pytest.raises(client.ApiException, match="400"):
        stream.stream(core.connect_get_namespaced_pod_exec, "shell", namespace, container="other", **ask)


def test_port_forward_to_a_closed_port_tells_the_error_on_its_channel(core, namespace, run):
    run(pod("shell", "sleep 3600"))
    forward = stream.portforward(core.connect_get_namespaced_pod_portforward, "shell", namespace, ports="80")
    socket = forward.socket(80)
    socket.settimeout(10)
    assert socket.recv(100) == b""
    assert "connection refused" in forward.error(80)
    forward.close()


def test_eviction_waits_for_the_disruption_budget(core, api_client, namespace, run):
    policy = client.PolicyV1Api(api_client)
    run(pod("web", "sleep 3600", terminationGracePeriodSeconds=0))
    policy.create_namespaced_pod_disruption_budget(
        namespace,
        {
            "metadata": {"name": "web"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
        },
    )
    deadline = time.monotonic() + 15
    while not policy.read_namespaced_pod_disruption_budget("web", namespace).status.current_healthy:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    eviction = {"metadata": {"name": "web", "namespace": namespace}}
    with pytest.raises(client.ApiException) as refused:
        core.create_namespaced_pod_eviction("web", namespace, eviction)
    assert refused.value.status == 429
    assert "disruption budget" in refused.value.body
    policy.delete_namespaced_pod_disruption_budget("web", namespace)
    core.create_namespaced_pod_eviction("web", namespace, eviction)
    gone = core.list_namespaced_pod(namespace, field_selector="metadata.name=web").items
    assert all(item.metadata.deletion_timestamp for item in gone)


def test_ephemeral_container_joins_a_running_pod(core, namespace, run):
    run(pod("web", "sleep 3600"))
    extra = {"name": "look", "image": "busybox", "command": ["sh", "-c", "echo looking; sleep 3600"]}
    core.patch_namespaced_pod_ephemeralcontainers(
        "web", namespace, {"spec": {"ephemeralContainers": [extra]}}
    )
    watcher = watch.Watch()
    for event in watcher.stream(
        core.list_namespaced_pod, namespace, field_selector="metadata.name=web", timeout_seconds=15
    ):
        for status in event["object"].status.ephemeral_container_statuses or ():
            if status.state.running:
                watcher.stop()
    assert core.read_namespaced_pod_log("web", namespace, container="look") == "looking\n"


def test_pod_is_bound_by_hand_as_a_scheduler_does(core, namespace):
    core.create_namespaced_pod(namespace, pod("mine", "sleep 3600", schedulerName="mine"))
    node = core.list_node().items[0].metadata.name
    binding = {"metadata": {"name": "mine"}, "target": {"kind": "Node", "name": node}}
    # The answer is a Status, here as upstream; the client would take it for a Binding.
    answer = core.create_namespaced_pod_binding("mine", namespace, binding, _preload_content=False)
    assert answer.status == 201
    assert core.read_namespaced_pod("mine", namespace).spec.node_name == node


def test_collection_of_pods_is_deleted_by_selector(core, namespace):
    for name in ("a", "b", "c"):
        core.create_namespaced_pod(namespace, pod(name, "sleep 3600", schedulerName="nobody"))
    core.delete_collection_namespaced_pod(namespace, label_selector="app in (a,b)")
    assert [item.metadata.name for item in core.list_namespaced_pod(namespace).items] == ["c"]


def test_scale_is_read_and_written_through_its_subresource(api_client, namespace):
    apps = client.AppsV1Api(api_client)
    template = {"metadata": {"labels": {"app": "w"}}, "spec": pod("w", "sleep 3600")["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "w"}}, "template": template}
    apps.create_namespaced_deployment(namespace, {"metadata": {"name": "w"}, "spec": spec})

    def tripled() -> Any:
        scale = apps.read_namespaced_deployment_scale("w", namespace)
        assert (scale.kind, scale.spec.replicas) == ("Scale", 1)
        scale.spec.replicas = 3
        return apps.replace_namespaced_deployment_scale("w", namespace, scale)

    assert retry.retry_on_conflict(tripled).spec.replicas == 3
    watcher = watch.Watch()
    for event in watcher.stream(apps.list_namespaced_deployment, namespace, timeout_seconds=20):
        if event["object"].status.ready_replicas == 3:
            watcher.stop()
    assert apps.read_namespaced_deployment("w", namespace).status.ready_replicas == 3
