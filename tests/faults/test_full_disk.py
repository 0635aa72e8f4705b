"""A cluster whose disk is full: reads go on, writes are refused with the cause, the node says so and gives way."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import Cluster, home, make_cluster, why_no_containers

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 200 MiB."""
    if why := why_no_containers():
        pytest.skip(why)
    with home() as directory:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=200m", "kctl-test", str(directory)],
            capture_output=True,
            text=True,
        )
        if mounted.returncode:
            pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
        try:
            yield directory
        finally:
            subprocess.run(["umount", str(directory)], check=True)


@pytest.fixture
def on_small_disk(small_disk: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster's data on it; with real containers all but the store, which must take what the node has to tell."""
    made = make_cluster(small_disk, f"full-{time.time_ns() % 10**9}")
    flags = getattr(request, "param", ())
    if not flags:
        made.data_dir.mkdir(parents=True)
        (made.data_dir / "store").symlink_to(tmp_path)
    try:
        made.kctl("up", made.name, *flags).checked()
        yield made
    finally:
        made.kctl("down", made.name, "--delete").checked()


@pytest.mark.parametrize("on_small_disk", [("--fake-runtime",)], indirect=True)
def test_api_server_refuses_writes_by_name_and_recovers_unaided(on_small_disk: Cluster) -> None:
    cluster = on_small_disk
    cluster.kctl("create", "configmap", "before", "--from-literal=a=b").checked()
    filler = cluster.home / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], capture_output=True)
    (cluster.scratch / "value").touch()
    big = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"x": "x" * 900_000}}
    refused = cluster.kctl("create", "-f", "-", input=json.dumps(big))
    assert refused.code == 1 and "store.db: database or disk is full" in refused.err
    assert "before" in cluster.kctl("get", "configmap", "-o", "name").checked()
    filler.unlink()
    cluster.kctl("create", "configmap", "after", "--from-literal=a=b").checked()
    state = json.loads((cluster.data_dir / "run" / "state.json").read_text())
    assert [component["restarts"] for component in state["components"]] == [0] * len(state["components"])


def test_node_tells_its_pressure_and_evicts_who_fills_the_disk(on_small_disk: Cluster) -> None:
    cluster = on_small_disk
    cluster.kctl("images", "build-busybox", cluster.name, "--tag", "localhost/web:1").checked()
    run = ("--image=localhost/web:1", "--restart=Never", "--command", "--", "sh", "-c")
    cluster.kctl("run", "quiet", *run, "sleep 1000").checked()
    cluster.kctl("run", "filler", *run, "dd if=/dev/zero of=/big bs=64k; sleep 1000").checked()
    cluster.kctl("wait", "--for=condition=DiskPressure", "node/node-1", "--timeout=30s").checked()
    gone = "--for=jsonpath={.status.reason}=Evicted"
    cluster.kctl("wait", gone, "pod/filler", "--timeout=30s").checked()
    message = cluster.kctl("get", "pod", "filler", "-o", "jsonpath={.status.message}").checked()
    assert "The node was low on resource: ephemeral-storage." in message
    events = cluster.kctl("get", "events", "-o", "jsonpath={.items[*].reason}").checked().split()
    assert {"NodeHasDiskPressure", "EvictionThresholdMet", "Evicted"} <= set(events)
    phase = cluster.kctl("get", "pod", "quiet", "-o", "jsonpath={.status.phase}").checked()
    assert phase == "Running"
    taints = cluster.kctl("get", "node", "node-1", "-o", "jsonpath={.spec.taints[*].key}").checked()
    assert "node.kubernetes.io/disk-pressure" in taints
