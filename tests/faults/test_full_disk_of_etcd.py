"""A cluster on an etcd of its own, whose disk is full: etcd ends again and again, what was acknowledged stands, and all is well with room."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from clusters import Cluster, home, make_cluster

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]
SIZE_MIB = 250  # etcd lays out 128 MB for its log


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed (Debian package etcd-server): its full disk is NOT tested")
    with home() as directory:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "kctl-test", str(directory)]
        mounted = subprocess.run(mount, capture_output=True, text=True)
        if mounted.returncode:
            pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
        made = make_cluster(directory, "full")
        try:
            made.kctl("up", "full", "--fake-runtime", "--store", "etcd").checked()
            yield made
        finally:
            made.kctl("down", "full", "--delete")
            subprocess.run(["umount", str(directory)], check=True)


def config_map(name: str) -> str:
    data = {"x": "x" * 900_000}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def until(check: Callable[[], bool], timeout_s: float = 40) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.2)


def test_nothing_acknowledged_is_lost_the_status_says_why_and_it_recovers_unaided(cluster: Cluster) -> None:
    filler = cluster.home / "filler"
    acknowledged = []
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], capture_output=True)
    for turn in range(20):  # what etcd laid out before is used up first
        some = "\n---\n".join(config_map(f"c{turn}-{part}") for part in range(14))
        made = cluster.kctl("create", "-f", "-", input=some)
        acknowledged += [line.split()[0] for line in made.out.splitlines()]
        if made.code:
            break
    assert made.code == 1 and "etcd at unix:" in made.err, made.err
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}.2", "bs=4k"], capture_output=True)

    def told() -> bool:
        status = cluster.kctl("status", "full")
        said = (f"the file system of {cluster.data_dir} is full", "is not ready: etcd failed")
        return status.code == 1 and all(each in status.err for each in said) and "Unknown" not in status.out

    until(told)
    assert cluster.kctl("get", "--raw", "/livez").out == "ok"
    filler.unlink()
    filler.with_suffix(".2").unlink()
    until(lambda: cluster.kctl("create", "configmap", "after", "--from-literal=a=b").code == 0)
    there = cluster.kctl("get", "configmap", "-o", "name").checked().split()
    assert set(acknowledged) <= set(there)
    until(lambda: cluster.kctl("status", "full").code == 0)
    state = json.loads((cluster.data_dir / "run" / "state.json").read_text())
    assert [c["restarts"] for c in state["components"] if c["name"] != "etcd"] == [0, 0, 0, 0]
