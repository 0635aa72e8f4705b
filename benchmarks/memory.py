"""What a cluster costs while nothing happens: memory of all its processes, and their share of a core.

PSS, so that pages shared by the forked components count once. An idle pod's cost is the growth of everything except
the pod's own processes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import procfs
from benchmarks.bench import Bench
from benchmarks.bodies import IMAGE, small_pod
from benchmarks.clusters import Cluster, running_cluster
from benchmarks.rows import Peer, Row, Skipped, Target, skipped_row

_PEER_MIB = (
    275.0 + 48 + 120 + 66 + 104 + 82
)  # apiserver, etcd, controller-manager, scheduler, kubelet, containerd
_PODS = 20
_IDLE_S = 20.0


def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for native in (True, False):
        words = "native" if native else "fake runtime"
        try:
            with running_cluster(bench.directory, f"mem-{'n' if native else 'f'}", native=native) as cluster:
                rows += _measure(bench, cluster, words)
        except Skipped as why:
            bench.say(f"SKIPPED {words}: {why}")
            rows.append(skipped_row(f"{words}: idle cluster", str(why), Target("<=", 200)))
    return rows


def _measure(bench: Bench, cluster: Cluster, words: str) -> list[Row]:
    bench.say(f"{words}: idle for {_IDLE_S:.0f} s")
    time.sleep(3)  # the first seconds' work (roles, namespaces, leases) is done
    before = _cpu(cluster)
    started = time.monotonic()
    time.sleep(_IDLE_S / 3 if bench.quick else _IDLE_S)
    passed = time.monotonic() - started
    after = _cpu(cluster)
    used = {pid: after[pid] - before.get(pid, 0.0) for pid in after}
    cpu = 100 * sum(used.values()) / passed
    parts = {f"{name} {pid}": procfs.pss_bytes(pid) for pid, name in cluster.processes().items()}
    total = sum(parts.values())
    details = {name: round(size / procfs.MIB, 1) for name, size in parts.items()}
    names = cluster.processes()
    busy = {f"{names.get(pid, '?')} {pid}": round(100 * seconds / passed, 2) for pid, seconds in used.items()}
    rows = [
        Row(
            f"{words}: idle cluster of one node",
            total / procfs.MIB,
            "MiB PSS",
            Target("<=", 200),
            Peer("upstream's six processes", _PEER_MIB, here=False),
            bound=", ".join(f"{name.split()[0]} {size:.0f}" for name, size in details.items()),
            details=details,
        ),
        Row(f"{words}: idle CPU over {passed:.0f} s", cpu, "% of a core", Target("<=", 2), details=busy),
    ]
    bench.say(f"{words}: {_PODS} idle pods")
    _run_pods(bench, cluster)
    time.sleep(2)
    own = set(_container_processes(cluster))
    with_pods = sum(procfs.pss_bytes(pid) for pid in cluster.processes() if pid not in own)
    rows.append(
        Row(
            f"{words}: each idle pod beyond its own process",
            (with_pods - total) / _PODS / procfs.MIB,
            "MiB PSS",
            Target("<=", 1.5),
            Peer("containerd's shim", 13.7, here=False),
            bound=f"{_PODS} pods; its own processes take {sum(procfs.pss_bytes(p) for p in own) / _PODS / 1024:.0f} KiB",
        )
    )
    return rows


def _cpu(cluster: Cluster) -> dict[int, float]:
    return {pid: procfs.running_s(pid) for pid in cluster.processes()}


def _run_pods(bench: Bench, cluster: Cluster) -> None:
    if cluster.native:
        cluster.kctl("images", "build-busybox", cluster.name, "--tag", IMAGE)
    pods = []
    for index in range(_PODS):
        pod = small_pod()
        pod["metadata"]["name"] = f"idle-{index}"
        for container in pod["spec"]["containers"]:
            container["resources"]["requests"]["cpu"] = "10m"
        pods.append(pod)
    file = bench.directory / "idle.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
    cluster.kctl("apply", "-f", str(file))
    deadline = time.monotonic() + 60
    while True:
        items = json.loads(cluster.kctl("get", "pods", "-o", "json"))["items"]
        if sum(pod.get("status", {}).get("phase") == "Running" for pod in items) == _PODS:
            return
        if time.monotonic() > deadline:
            raise Skipped(f"{_PODS} pods are not running after 60 s")
        time.sleep(0.3)


def _container_processes(cluster: Cluster) -> Iterator[int]:
    """Those in a pod's cgroup."""
    for pid in cluster.processes():
        try:
            if f"/kctl-{cluster.name}/" in Path(f"/proc/{pid}/cgroup").read_text():
                yield pid
        except (FileNotFoundError, ProcessLookupError):
            continue
