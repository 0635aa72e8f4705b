"""What becomes of the official client's watches and lists when the server no longer keeps the revision that they name.

The server is a process of its own whose history is a hundred revisions, as if a day had passed.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, watch

ROOT = Path(__file__).parents[2]
FORGETFUL = """
import sys
import apiserver.backends.memory as memory
from apiserver.backends.retention import Retention
from apiserver.storage.cacher import Cacher
memory.Retention = lambda **_: Retention(max_revisions=100, min_revisions=10)
kept = Cacher.__init__
def __init__(self, *args, **options):
    kept(self, *args, **{**options, "window": 20})
Cacher.__init__ = __init__
from apiserver.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def core(tmp_path_factory) -> Iterator[client.CoreV1Api]:
    directory = tmp_path_factory.mktemp("forgetful")
    (directory / "tokens").write_text("secret,admin,1,system:masters\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = [
        "--store=memory",
        f"--data-dir={directory}",
        f"--port={port}",
        f"--token-auth-file={directory / 'tokens'}",
    ]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", FORGETFUL, *flags],
            stderr=log,
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).close()
                    break
                except (urllib.error.URLError, OSError):
                    assert time.monotonic() < deadline and process.poll() is None, (
                        directory / "log"
                    ).read_text()
                    time.sleep(0.05)
            settings = client.Configuration(host=f"http://127.0.0.1:{port}")
            settings.api_key["authorization"] = "Bearer secret"
            with client.ApiClient(settings) as api:
                yield client.CoreV1Api(api)
        finally:
            process.terminate()
            process.wait(10)


def write(core: client.CoreV1Api, times: int) -> None:
    for number in range(times):
        core.patch_namespaced_config_map("busy", "default", {"data": {"n": str(number)}})


@pytest.fixture(scope="module")
def old_revision(core) -> str:
    core.create_namespaced_config_map("default", {"metadata": {"name": "busy"}})
    revision = core.list_namespaced_config_map("default").metadata.resource_version
    write(core, 250)
    return str(revision)


def test_watch_from_a_forgotten_revision_is_refused_as_gone(core, old_revision):
    with pytest.raises(client.ApiException) as refused:
        list(
            watch.Watch().stream(
                core.list_namespaced_config_map, "default", resource_version=old_revision, timeout_seconds=2
            )
        )
    assert refused.value.status == 410
    assert "too old resource version" in refused.value.reason


def test_client_that_lists_again_goes_on(core, old_revision):
    seen = []
    for revision in (old_revision, core.list_namespaced_config_map("default").metadata.resource_version):
        stream = watch.Watch()
        try:
            write(core, 1)
            for event in stream.stream(
                core.list_namespaced_config_map, "default", resource_version=revision, timeout_seconds=5
            ):
                seen.append(event["type"])
                stream.stop()
        except client.ApiException as refused:
            seen.append(refused.status)
    assert seen == [410, "MODIFIED"]


def test_pages_of_a_forgotten_list_end_with_a_token_to_begin_again(core):
    for number in range(4):
        core.create_namespaced_config_map("default", {"metadata": {"name": f"page-{number}"}})
    first = core.list_namespaced_config_map("default", limit=2)
    write(core, 250)
    with pytest.raises(client.ApiException) as refused:
        core.list_namespaced_config_map("default", limit=2, _continue=first.metadata._continue)
    status = json.loads(refused.value.body)
    assert (refused.value.status, status["reason"]) == (410, "Expired")
    rest = core.list_namespaced_config_map("default", _continue=status["metadata"]["continue"])
    assert rest.items[0].metadata.name > first.items[-1].metadata.name
