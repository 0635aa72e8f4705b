"""Streams of third-party clients to real containers: port-forwards, exec with stdin and a terminal, logs while they grow,
and the proxy subresources. Needs root and a kernel that makes namespaces.
"""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from clusters import Cluster, running, why_no_containers
from javascript import ON_CONTAINERS, ClientNode
from kubernetes import client, config, stream, watch

pytestmark = [
    pytest.mark.node,
]
SERVE = "mkdir /www; echo served > /www/index.html; echo up; httpd -f -p 8080 -h /www"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": "localhost/web:1",
                "command": ["sh", "-c", SERVE],
                "ports": [{"containerPort": 8080}],
                "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
            }
        ]
    },
}


@pytest.fixture(scope="module")
def containers() -> Iterator[Cluster]:
    if why := why_no_containers():
        pytest.skip(why)
    with running(f"compat-{os.getpid()}") as cluster:
        cluster.kctl("images", "build-busybox", cluster.name, "--tag", "localhost/web:1").checked()
        yield cluster


@pytest.fixture(scope="module")
def core(containers: Cluster) -> Iterator[Any]:
    """The official client, and the pod `web` ready."""
    with config.new_client_from_config(config_file=str(containers.kubeconfig)) as api:
        core = client.CoreV1Api(api)
        watcher = watch.Watch()
        for _ in watcher.stream(core.list_namespaced_service_account, "default", timeout_seconds=15):
            watcher.stop()
        core.create_namespaced_pod("default", POD)
        for event in watcher.stream(core.list_namespaced_pod, "default", timeout_seconds=30):
            ready = [each.status for each in event["object"].status.conditions or () if each.type == "Ready"]
            if ready == ["True"]:
                watcher.stop()
        yield core


def test_official_client_forwards_a_port(core):
    forward = stream.portforward(core.connect_get_namespaced_pod_portforward, "web", "default", ports="8080")
    socket = forward.socket(8080)
    socket.settimeout(10)
    socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b""
    while piece := socket.recv(4096):
        answer += piece
    assert answer.endswith(b"served\n")
    assert forward.error(8080) is None
    forward.close()


def test_official_client_enters_a_container_with_stdin_and_with_a_terminal(core):
    session = stream.stream(
        core.connect_get_namespaced_pod_exec,
        "web",
        "default",
        command=["sh"],
        stdin=True,
        stdout=True,
        stderr=True,
        tty=False,
        _preload_content=False,
    )
    session.write_stdin("echo in; echo out >&2; exit 6\n")
    session.run_forever(timeout=10)
    assert (session.read_stdout(), session.read_stderr(), session.returncode) == ("in\n", "out\n", 6)
    terminal = stream.stream(
        core.connect_get_namespaced_pod_exec,
        "web",
        "default",
        command=["sh", "-c", "tty"],
        stdin=True,
        stdout=True,
        stderr=False,
        tty=True,
    )
    assert terminal.strip().startswith("/dev/pts/")


def test_official_client_reads_a_pod_through_the_proxy(core):
    assert core.connect_get_namespaced_pod_proxy("web:8080", "default").strip() == "served"
    assert (
        core.connect_get_namespaced_pod_proxy_with_path("web:8080", "default", "index.html").strip()
        == "served"
    )
    with pytest.raises(client.ApiException, match="404"):
        core.connect_get_namespaced_pod_proxy_with_path("web:8080", "default", "nothing.html")


@pytest.mark.kubectl
def test_kubectl_forwards_a_port(containers, core):
    process = subprocess.Popen(
        ["kubectl", "port-forward", "pod/web", ":8080"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=containers.environment(),
    )
    try:
        assert process.stdout is not None
        told = re.search(r"127\.0\.0\.1:(\d+) -> 8080", process.stdout.readline())
        assert told
        with urllib.request.urlopen(f"http://127.0.0.1:{told[1]}/", timeout=10) as answer:
            assert answer.read() == b"served\n"
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_client_node_forwards_enters_and_copies(core, containers):
    outcomes = ClientNode.installed().run(containers.kubeconfig, "default", *ON_CONTAINERS)
    assert outcomes == dict.fromkeys(ON_CONTAINERS, "")
