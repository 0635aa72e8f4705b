"""A pod's life, seen over the API by a watch: create → Running, 50 at once, SIGKILL → running again, delete → gone.

Real containers where this is root; and once more with the fake runtime, which only waits (10 ms for the sandbox, 5 to
create, 10 to start, and up to a fifth more by chance): what is above that is the control plane's own share (API server,
scheduler, agent). The image is present. Times are taken in the client, from
just before its request to the arrival of the watch event.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.bodies import IMAGE
from benchmarks.clusters import Cluster, running_cluster
from benchmarks.rows import Peer, Row, Skipped, Target, skipped_row
from benchmarks.sampling import median, percentile
from client.client import Client
from client.kubeconfig import load
from machinery.gvk import PODS

Obj = dict[str, Any]
NAMESPACE = "default"
_KUBELET = "kubelet + containerd"
_AT_ONCE = 50
_LIMIT_S = 60.0


def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for native in (True, False):
        words = "native" if native else "fake runtime"
        try:
            with running_cluster(bench.directory, f"pods-{'n' if native else 'f'}", native=native) as cluster:
                if native:
                    cluster.kctl("images", "build-busybox", cluster.name, "--tag", IMAGE)
                rows += asyncio.run(_measure(bench, cluster, words))
        except Skipped as why:
            bench.say(f"SKIPPED {words}: {why}")
            rows.append(skipped_row(f"{words}: create → Running, p50", str(why), Target("<=", 50)))
    return rows


class Watch:
    """What the watch has told, with the time of its arrival."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._changed = asyncio.Condition()
        self._seen: dict[str, list[tuple[float, str, Obj]]] = {}

    async def run(self, resource_version: str) -> None:
        async with self._client.watch(PODS, NAMESPACE, resource_version=resource_version) as events:
            async for event in events:
                now = time.perf_counter()
                if event.type == "ERROR":
                    raise RuntimeError(f"the watch was cut: {event.object}")
                if event.type == "BOOKMARK":
                    continue
                name = event.object["metadata"]["name"]
                self._seen.setdefault(name, []).append((now, event.type, event.object))
                async with self._changed:
                    self._changed.notify_all()

    async def first(
        self, name: str, accept: Callable[[str, Obj], bool], since: float = 0.0
    ) -> tuple[float, Obj]:
        """The first event after `since` that `accept`s; its time and its pod. Raises Skipped when none comes."""
        looked = 0
        try:
            async with asyncio.timeout(_LIMIT_S):
                while True:
                    events = self._seen.get(name, [])
                    for at, kind, pod in events[looked:]:
                        if at >= since and accept(kind, pod):
                            return at, pod
                    looked = len(events)
                    async with self._changed:
                        if len(self._seen.get(name, [])) == looked:
                            await self._changed.wait()
        except TimeoutError:
            last = self._seen.get(name, [(0.0, "", {})])[-1][2].get("status")
            raise Skipped(
                f"pod {name} did not get there within {_LIMIT_S:.0f} s; its status: {last}"
            ) from None


def is_running(kind: str, pod: Obj) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    return pod.get("status", {}).get("phase") == "Running" and all(
        "running" in s.get("state", {}) for s in statuses
    )


def is_scheduled(kind: str, pod: Obj) -> bool:
    return "nodeName" in pod["spec"]


def is_gone(kind: str, pod: Obj) -> bool:
    return kind == "DELETED"


def pod_named(name: str) -> Obj:
    """Ends at once on SIGTERM, so that deletion does not measure a grace period."""
    script = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["/bin/sh", "-c", script],
                    "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}},
                }
            ]
        },
    }


async def _measure(bench: Bench, cluster: Cluster, words: str) -> list[Row]:
    client = Client(load(str(cluster.layout.kubeconfig)).transport(), user_agent="bench")
    try:
        version = (await client.list(PODS, NAMESPACE))["metadata"]["resourceVersion"]
        watch = Watch(client)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch.run(version))
            rows = await _one_by_one(bench, client, watch, words)
            rows += await _at_once(bench, client, watch, words)
            if cluster.native:
                rows += await _killed(bench, client, watch, words)
            watching.cancel()
        return rows
    except* Skipped as skipped:
        raise Skipped(str(skipped.exceptions[0])) from None
    finally:
        await client.close()


async def _one_by_one(bench: Bench, client: Client, watch: Watch, words: str) -> list[Row]:
    bench.say(f"{words}: one pod after another")
    scheduled, running, gone = [], [], []
    for index in range(bench.rounds(60) + 3):
        name = f"single-{index}"
        began = time.perf_counter()
        await client.create(PODS, pod_named(name))
        at_node, _ = await watch.first(name, is_scheduled)
        at_run, _ = await watch.first(name, is_running)
        await asyncio.sleep(0.1)
        deleting = time.perf_counter()
        await client.delete(PODS, name, NAMESPACE)
        at_end, _ = await watch.first(name, is_gone)
        if index < 3:
            continue  # the first ones load code
        scheduled.append((at_node - began) * 1e3)
        running.append((at_run - began) * 1e3)
        gone.append((at_end - deleting) * 1e3)
        await asyncio.sleep(0.05)
    native = words == "native"
    return [
        Row(
            f"{words}: create → Running, p50",
            median(running),
            "ms",
            Target("<=", 50) if native else None,
            Peer(_KUBELET, 496, here=False),
            running,
            f"create → bound takes {median(scheduled):.1f} ms of it",
        ),
        Row(
            f"{words}: create → Running, p99",
            percentile(running, 99),
            "ms",
            Target("<=", 150) if native else None,
            Peer(_KUBELET, 787, here=False),
        ),
        Row(f"{words}: create → bound to a node, p50", median(scheduled), "ms", samples=scheduled),
        Row(
            f"{words}: delete → gone, p50",
            median(gone),
            "ms",
            None,
            None,
            gone,
            "the program ends on SIGTERM at once",
        ),
        Row(f"{words}: delete → gone, p99", percentile(gone, 99), "ms"),
    ]


async def _at_once(bench: Bench, client: Client, watch: Watch, words: str) -> list[Row]:
    rates, lasts = [], []
    for index in range(bench.rounds(4)):
        bench.say(f"{words}: {_AT_ONCE} pods at once, round {index + 1}")
        names = [f"burst-{index}-{number}" for number in range(_AT_ONCE)]
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(client.create(PODS, pod_named(name)))
        last = max([(await watch.first(name, is_running))[0] for name in names])
        rates.append(_AT_ONCE / (last - began))
        lasts.append(last - began)
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(client.delete(PODS, name, NAMESPACE))
        for name in names:
            await watch.first(name, is_gone)
        await asyncio.sleep(1.0)
    return [
        Row(
            f"{words}: {_AT_ONCE} pods at once",
            median(rates),
            "pods/s",
            Target(">=", 50) if words == "native" else None,
            Peer(_KUBELET, 6.5, here=False),
            rates,
            f"the last runs after {median(lasts):.2f} s",
            more_is_better=True,
        )
    ]


async def _killed(bench: Bench, client: Client, watch: Watch, words: str) -> list[Row]:
    """The first restart of each pod: later ones wait for the back-off, as they ought to."""
    bench.say(f"{words}: SIGKILL")
    samples = []
    for index in range(bench.rounds(24)):
        name = f"killed-{index}"
        await client.create(PODS, pod_named(name))
        _, pod = await watch.first(name, is_running)
        await asyncio.sleep(0.2)
        pid = first_process(pod["metadata"]["uid"])
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)

        def is_back(kind: str, pod: Obj) -> bool:
            status = (pod.get("status", {}).get("containerStatuses") or [{}])[0]
            return int(status.get("restartCount", 0)) == 1 and "running" in status.get("state", {})

        at, _ = await watch.first(name, is_back, since=began)
        samples.append((at - began) * 1e3)
        await client.delete(PODS, name, NAMESPACE, grace_period_s=0)
        await watch.first(name, is_gone)
        await asyncio.sleep(0.05)
    return [
        Row(
            f"{words}: SIGKILL of a container → running again, p50",
            median(samples),
            "ms",
            Target("<=", 50),
            Peer(_KUBELET, 280, here=False),
            samples,
        ),
        Row(f"{words}: SIGKILL of a container → running again, p99", percentile(samples, 99), "ms"),
    ]


def first_process(uid: str) -> int:
    """The oldest process in the pod's cgroups: its container's first. Raises Skipped where there is none."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"pod{uid}" in (entry / "cgroup").read_text() and (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    if not found:
        raise Skipped(f"no process is in a cgroup of pod {uid}")
    return min(found)
