"""How long a cluster is without a leader, and its callers without an answer, when one of several is killed under load."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.clusters import ROOT
from benchmarks.rows import Row, Skipped, Target
from benchmarks.sampling import median
from client.client import Client
from client.kubeconfig import load
from client.transport import TransportError
from machinery.gvk import CONFIGMAPS, GVR, LEASES, PODS, REPLICASETS

_NAME = "bench-failover"
_REPLICAS = ("--apiservers", "2", "--controllers", "2", "--schedulers", "2")


def measure(bench: Bench) -> list[Row]:
    if shutil.which("etcd") is None:
        raise Skipped("several API servers need etcd (Debian package etcd-server)")
    home = bench.directory
    env = {**os.environ, "KCTL_HOME": str(home), "PYTHONPATH": str(ROOT)}

    def kctl(*words: str) -> None:
        subprocess.run([sys.executable, "-m", "kctl", *words], env=env, check=True, capture_output=True)

    kctl("up", _NAME, "--fake-runtime", "--store", "etcd", *_REPLICAS)
    try:
        rounds = bench.rounds(5)
        return asyncio.run(_measure(home / _NAME, rounds))
    finally:
        kctl("down", _NAME, "--delete")


async def _measure(root: Path, rounds: int) -> list[Row]:
    transport = load(str(root / "kubeconfig")).transport()
    client = Client(transport, user_agent="benchmark")
    load_stops = asyncio.Event()
    load_task = asyncio.create_task(_load(client, load_stops))
    try:
        scheduler = [
            await _until_acts(root, client, "kube-scheduler", "scheduler", number) for number in range(rounds)
        ]
        controllers = [
            await _until_acts(root, client, "kube-controller-manager", "controllers", number)
            for number in range(rounds)
        ]
        servers = [await _until_answered(root, client, number) for number in range(rounds)]
    finally:
        load_stops.set()
        await load_task
        await transport.close()
    return [
        Row("leading scheduler killed, until the next places a pod", median(scheduler), "s", Target("<=", 5.0), None, scheduler),
        Row("leading controllers killed, until the next make a pod", median(controllers), "s", Target("<=", 5.0), None, controllers),
        Row("API server killed, until all of 20 callers were answered", median(servers), "ms", None, None, servers),
    ]  # fmt: skip


async def _load(client: Client, stops: asyncio.Event) -> None:
    for turn in range(1_000_000):
        if stops.is_set():
            return
        try:
            await client.create(CONFIGMAPS, {"metadata": {"name": f"load-{turn}", "namespace": "default"}})
        except TransportError:
            continue  # its server was killed
        await asyncio.sleep(0.02)


def _pids(root: Path) -> dict[str, int]:
    state = json.loads((root / "run" / "state.json").read_text())
    return {part["name"]: part["pid"] for part in state["components"]}


async def _until_acts(root: Path, client: Client, lease: str, component: str, number: int) -> float:
    holder = (await client.get(LEASES, lease, "kube-system"))["spec"]["holderIdentity"]
    os.kill(int(holder.rpartition("_")[2]), signal.SIGKILL)
    began = time.perf_counter()
    name = f"{component}-{number}"
    container = {"name": "c", "image": "app:0"}
    if component == "scheduler":
        await client.create(
            PODS, {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [container]}}
        )
    else:
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        await client.create(REPLICASETS, {"metadata": {"name": name, "namespace": "default"}, "spec": spec})
    while True:
        if await _has_acted(client, PODS, name, scheduled=component == "scheduler"):
            break
        await asyncio.sleep(0.02)
    took = time.perf_counter() - began
    await asyncio.sleep(2.0)  # until the killed one is back and waits for its turn
    return took


async def _has_acted(client: Client, gvr: GVR, name: str, *, scheduled: bool) -> bool:
    pods = (await client.list(gvr, "default"))["items"]
    mine = [pod for pod in pods if pod["metadata"]["name"].startswith(name)]
    return any(pod["spec"].get("nodeName") for pod in mine) if scheduled else bool(mine)


async def _until_answered(root: Path, client: Client, number: int) -> float:
    """All callers have a connection; half of them lose it."""

    async def ask() -> None:
        while True:
            try:
                await client.get(CONFIGMAPS, "kube-root-ca.crt", "default")
                return
            except TransportError:
                await asyncio.sleep(0.001)

    await asyncio.gather(*(ask() for _ in range(20)))
    os.kill(_pids(root)[("apiserver", "apiserver-2")[number % 2]], signal.SIGKILL)
    began = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(20)))
    took = (time.perf_counter() - began) * 1e3
    await asyncio.sleep(3.0)
    return took
