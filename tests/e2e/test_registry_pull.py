"""A pod's image comes from a real registry on the host's loopback, though its node has a network of its own."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from runtime.images.commands import build_from_busybox, export_image

PROGRAM = shutil.which("docker-registry")
pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(PROGRAM is None, reason="needs Debian's package docker-registry"),
]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = tmp_path / "registry.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage:\n  filesystem: {{rootdirectory: {tmp_path / 'blobs'}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    assert PROGRAM is not None
    process = subprocess.Popen(
        [PROGRAM, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


def push(port: int, name: str, tag: str, layout: Path) -> None:
    """Every blob of an OCI layout tar in one PUT, then its manifest by tag."""
    with tarfile.open(layout) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}
    (entry,) = json.loads(files["index.json"])["manifests"]
    manifest = files["blobs/sha256/" + entry["digest"].removeprefix("sha256:")]
    document = json.loads(manifest)
    for blob in (document["config"], *document["layers"]):
        data = files["blobs/sha256/" + blob["digest"].removeprefix("sha256:")]
        location = urlsplit(_ask(port, "POST", f"/v2/{name}/blobs/uploads/", b"", "")["location"])
        digest = f"digest=sha256:{hashlib.sha256(data).hexdigest()}"
        target = f"{location.path}?{location.query}{'&' if location.query else ''}{digest}"
        _ask(port, "PUT", target, data, "application/octet-stream")
    _ask(port, "PUT", f"/v2/{name}/manifests/{tag}", manifest, entry["mediaType"])


def _ask(port: int, method: str, path: str, body: bytes, kind: str) -> dict[str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        assert answer.status in (201, 202), answer.read()
        return {key.lower(): value for key, value in answer.getheaders()}
    finally:
        connection.close()


def test_pod_runs_an_image_from_the_hosts_registry(native_cluster, registry: int, tmp_path: Path) -> None:
    build_from_busybox(tmp_path / "store", "localhost/pulled:1", now=0.0, files={"/hello": b"from afar\n"})
    export_image(tmp_path / "store", "localhost/pulled:1", tmp_path / "layout.tar")
    push(registry, "team/pulled", "1", tmp_path / "layout.tar")
    image = f"127.0.0.1:{registry}/team/pulled:1"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "puller"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "c", "image": image, "command": ["cat", "/hello"]}],
        },
    }
    native_cluster.kctl("apply", "-f", "-", input=json.dumps(pod)).checked()
    native_cluster.kctl(
        "wait", "pod/puller", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s"
    ).checked()
    assert native_cluster.kctl("logs", "puller").checked() == "from afar\n"
    events = native_cluster.kctl("events", "--for", "pod/puller").checked()
    assert f'Successfully pulled image "{image}"' in events
    native_cluster.kctl("delete", "pod", "puller", "--now").checked()
