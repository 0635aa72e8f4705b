"""kctl's verbs against whole clusters: what needs a stream, a wait or a real container."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from clusters import Cluster

WORKLOAD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    name = re.sub(r"[^a-z]+", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    cluster.kctl("create", "namespace", name).checked()
    return name


def test_watch_prints_changes_as_they_come(cluster: Cluster, namespace: str) -> None:
    command = ["kctl", "-n", namespace, "get", "configmaps", "-w", "--output-watch-events", "-l", "made=here"]
    watch = subprocess.Popen(command, env=cluster.environment(), stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.5)  # nothing is printed before the first change
        cluster.kctl("-n", namespace, "create", "configmap", "one").checked()
        cluster.kctl("-n", namespace, "label", "configmap", "one", "made=here").checked()
        cluster.kctl("-n", namespace, "delete", "configmap", "one").checked()
        assert watch.stdout is not None
        lines = [watch.stdout.readline().split() for _ in range(3)]
    finally:
        watch.send_signal(signal.SIGINT)
        watch.communicate(timeout=10)
    assert [line[0] for line in lines] == ["EVENT", "ADDED", "DELETED"]
    assert watch.returncode == 130


def test_rollout_is_followed_to_its_end(cluster: Cluster, namespace: str) -> None:
    cluster.kctl("-n", namespace, "apply", "-f", "-", input=WORKLOAD).checked()
    out = cluster.kctl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=30s").checked()
    assert out.endswith('deployment "web" successfully rolled out\n')
    pods = cluster.kctl("-n", namespace, "get", "pods", "-o", "name").checked().split()
    assert len(pods) == 2
    gone = cluster.kctl("-n", namespace, "wait", "--for=jsonpath={.status.nope}=x", pods[0], "--timeout=1s")
    assert (gone.code, "timed out waiting for the condition" in gone.err) == (1, True)


def test_drain_empties_a_node_and_uncordon_opens_it(cluster: Cluster, namespace: str) -> None:
    cluster.kctl("-n", namespace, "apply", "-f", "-", input=WORKLOAD).checked()
    cluster.kctl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=30s").checked()
    cluster.kctl("-n", namespace, "run", "alone", "--image=web:1", "--overrides", '{"spec":{"nodeName":"node-2"}}').checked()  # fmt: skip
    cluster.kctl("-n", namespace, "wait", "pod/alone", "--for=condition=Ready", "--timeout=30s").checked()
    try:
        refused = cluster.kctl("drain", "node-2", "--pod-selector=run=alone")
        assert refused.code == 1
        assert f"(use --force to override): {namespace}/alone" in refused.err
        drained = cluster.kctl(
            "drain", "node-2", "--force", "--pod-selector=run=alone", "--timeout=40s"
        ).checked()
        assert f"evicting pod {namespace}/alone" in drained
        assert drained.endswith("pod/alone evicted\nnode/node-2 drained\n")
        node = cluster.kctl("get", "node", "node-2", "-o", "jsonpath={.spec.unschedulable}").checked()
        assert node == "true"
    finally:
        assert cluster.kctl("uncordon", "node-2").checked() == "node/node-2 uncordoned\n"


def test_completion_offers_what_the_cluster_holds(cluster: Cluster, namespace: str) -> None:
    cluster.kctl("-n", namespace, "create", "configmap", "settings").checked()
    offered = cluster.kctl("__complete", "-n", namespace, "get", "configmaps", "").checked().splitlines()
    assert "settings" in offered
    assert offered[-1] == ":4"
    assert namespace in cluster.kctl("__complete", "get", "pods", "-n", namespace[:4]).checked()
    nodes = cluster.kctl("__complete", "cordon", "").checked().split()
    assert nodes == ["node-1", "node-2", ":4"]


def test_edit_sends_what_the_editor_changed(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    cluster.kctl("-n", namespace, "create", "configmap", "page", "--from-literal=colour=blue").checked()
    env = {"KUBE_EDITOR": "sed -i s/blue/green/"}
    assert (
        cluster.kctl("-n", namespace, "edit", "configmap/page", env=env).checked()
        == "configmap/page edited\n"
    )
    shown = cluster.kctl("-n", namespace, "get", "configmap/page", "-o", "jsonpath={.data.colour}").checked()
    assert shown == "green"
    unchanged = cluster.kctl("-n", namespace, "edit", "configmap/page", env={"KUBE_EDITOR": "true"})
    assert "no changes made" in unchanged.err


@pytest.fixture(scope="module")
def pod(native_cluster: Cluster) -> Cluster:
    script = "echo started; echo trouble >&2; mkdir /www; echo hello > /www/index.html; exec httpd -f -p 8080 -h /www"
    run = ["run", "tool", "--image=localhost/web:1", "--port=8080", "--command", "--", "sh", "-c", script]
    native_cluster.kctl(*run).checked()
    native_cluster.kctl("wait", "pod/tool", "--for=condition=Ready", "--timeout=30s").checked()
    return native_cluster


@pytest.mark.node
def test_logs_and_exit_codes_come_back(pod: Cluster) -> None:
    assert pod.kctl("logs", "tool").checked() == "started\ntrouble\n"
    assert pod.kctl("logs", "tool", "--tail=1").checked() == "trouble\n"
    assert pod.kctl("logs", "tool", "--prefix", "--tail=1").checked() == "[pod/tool/tool] trouble\n"
    failed = pod.kctl("exec", "tool", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (failed.code, failed.out) == (7, "out\n")
    assert failed.err == "err\ncommand terminated with exit code 7\n"
    assert pod.kctl("exec", "-i", "tool", "--", "wc", "-c", input="x" * 200_000).checked().strip() == "200000"


@pytest.mark.node
def test_files_are_copied_both_ways(pod: Cluster, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_bytes(bytes(range(256)) * 1000)
    pod.kctl("cp", str(source), "tool:/tmp").checked()
    assert pod.kctl("exec", "tool", "--", "ls", "/tmp/source/deep").checked() == "file\n"
    pod.kctl("cp", "tool:/tmp/source", str(tmp_path / "back")).checked()
    assert (tmp_path / "back" / "deep" / "file").read_bytes() == (source / "deep" / "file").read_bytes()
    assert pod.kctl("cp", "tool:/tmp/nope", str(tmp_path / "x")).code == 1


@pytest.mark.node
def test_port_is_forwarded(pod: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["kctl", "port-forward", "pod/tool", f"{port}:8080", "--address=127.0.0.1"]
    forward = subprocess.Popen(command, env=pod.environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert forward.stdout is not None
        assert forward.stdout.readline() == f"Forwarding from 127.0.0.1:{port} -> 8080\n"
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                assert answer.read() == b"hello\n"
    finally:
        forward.terminate()
        forward.communicate(timeout=10)


@pytest.mark.node
def test_run_attached_gives_back_input_output_and_exit_code(pod: Cluster) -> None:
    run = ["run", "once", "--rm", "-i", "--image=localhost/web:1", "--restart=Never", "--command", "--"]
    done = pod.kctl(*run, "sh", "-c", "cat; exit 3", input="over there\n")
    assert done.code == 3
    assert "over there\n" in done.out
    assert 'pod "once" deleted' in done.out
    assert pod.kctl("get", "pod", "once").code == 1
