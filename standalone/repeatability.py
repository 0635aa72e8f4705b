"""Proof that a seed determines a simulated cluster's history, write for write.

    python -m standalone.repeatability [--runs 100] [--processes 4] [--seed 11]

Runs one busy scenario many times: in several processes at once, each with another PYTHONHASHSEED, and in each run
tasks and futures get hashes drawn anew, so that every set of strings, tasks or futures is walked in another order.
Compares the whole history of the store. Exit 0: one history. Exit 1: it prints where two histories part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Coroutine, Sequence
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machinery import virtual_loop
from machinery.gvk import DEPLOYMENTS, GVR, PODS, SERVICES
from standalone.simulation import EPOCH_S, Simulation, running

Obj = dict[str, Any]
Line = tuple[int, str, bool, str]  # revision, key, deleted, value
NODES = 3
JOBS = GVR("batch", "v1", "jobs", kind="Job")
DAEMONSETS = GVR("apps", "v1", "daemonsets", kind="DaemonSet")
STATEFULSETS = GVR("apps", "v1", "statefulsets", kind="StatefulSet")


async def busy_day(cluster: Simulation) -> None:
    """Workloads of each sort; a roll-out, a crash loop, a killed container, a lost node, deletions."""
    client = cluster.client
    await client.create(DEPLOYMENTS, _workload(DEPLOYMENTS, "web", replicas=4))
    await client.create(SERVICES, _service("web"))
    await client.create(DEPLOYMENTS, _workload(DEPLOYMENTS, "broken", command="sleep 1; exit 3", replicas=2))
    await client.create(DAEMONSETS, _workload(DAEMONSETS, "each"))
    await client.create(STATEFULSETS, _workload(STATEFULSETS, "db", replicas=2, serviceName="db"))
    await client.create(JOBS, _job("sums"))
    before = await cluster.wait_ready_pods(4, selector="app=web")
    await cluster.clock.sleep(60)
    victim = before[0]
    runtime = cluster.nodes[victim["spec"]["nodeName"]].runtime
    runtime.kill(victim["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2])
    image = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "localhost/web:2"}]}}}}
    await client.patch(DEPLOYMENTS, "web", image, "default")
    await cluster.clock.sleep(60)
    cluster.power_off(before[1]["spec"]["nodeName"])
    await cluster.clock.sleep(600)
    for kind, name in ((DEPLOYMENTS, "broken"), (DAEMONSETS, "each"), (STATEFULSETS, "db")):
        await client.delete(kind, name, "default")
    await cluster.clock.sleep(120)
    assert len(await cluster.ready_pods(selector="app=web")) == 4
    assert await client.list(PODS, "default", label_selector="app=broken")


def _workload(kind: GVR, name: str, command: str = "", **spec: Any) -> Obj:
    container: Obj = {"name": "c", "image": "localhost/web:1"}
    if command:
        container["command"] = ["sh", "-c", command]
    return {
        "apiVersion": f"{kind.group}/{kind.version}",
        "kind": kind.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
            **spec,
        },
    }


def _job(name: str) -> Obj:
    job = _workload(JOBS, name, command="sleep 5", completions=3, parallelism=2)
    del job["spec"]["selector"]
    job["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    return job


def _service(name: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    }


# -- one run, its hashes drawn anew ----------------------------------------------------------------------------


class _Shuffled:
    """What has its place in a set by chance: who walks a set of such gets another order in each run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._place = random.SystemRandom().getrandbits(60)
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._place


class _ShuffledTask(_Shuffled, asyncio.Task[Any]):
    pass


class _ShuffledFuture(_Shuffled, asyncio.Future[Any]):
    pass


def _shuffled(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    return _ShuffledTask(coro, loop=loop, **options)


async def _recorded(seed: int) -> tuple[str, list[Line]]:
    loop: Any = asyncio.get_running_loop()
    loop.set_task_factory(_shuffled)
    loop.create_future = lambda: _ShuffledFuture(loop=loop)
    async with running(NODES, seed) as cluster:
        await busy_day(cluster)
        return cluster.digest(), [(r, k, d, v.decode()) for r, k, d, v in cluster.history]


def run_here(runs: int, seed: int, folder: Path) -> None:
    """Runs in this process: prints a digest a run, and keeps one history of each digest in `folder`."""
    for _ in range(runs):
        digest, history = virtual_loop.run(_recorded(seed), epoch_s=EPOCH_S)
        path = folder / digest
        if not path.exists():
            part = folder / f".{digest}.{os.getpid()}"
            part.write_text(json.dumps(history))
            part.rename(path)
        print(digest, flush=True)


# -- all runs, compared ----------------------------------------------------------------------------------------


def plan_shares(runs: int, processes: int) -> Sequence[int]:
    """How many runs each process does; they differ by one at most, and none is idle."""
    used = max(1, min(runs, processes))
    return [runs // used + (index < runs % used) for index in range(used)]


def first_difference(left: Sequence[Line], right: Sequence[Line]) -> str:
    """Where two histories part, in words; "" where they do not."""
    for a, b in zip_longest(left, right):
        if a != b:
            return f"one wrote {_told(a)}\n   another {_told(b)}"
    return ""


def _told(line: Line | None) -> str:
    if line is None:
        return "nothing more"
    revision, key, deleted, value = line
    return f"{revision} {'DELETE' if deleted else 'PUT'} {key} {value}"


def repeat(runs: int, processes: int, seed: int) -> tuple[Counter[str], str]:
    """digest → how many runs gave it, and where the first two differ. Raises CalledProcessError with the output."""
    with TemporaryDirectory(prefix="kctl-repeat-") as name:
        folder = Path(name)
        command = [sys.executable, "-m", "standalone.repeatability", "--seed", str(seed), "--here", name]
        started = [
            subprocess.Popen(
                [*command, "--runs", str(share)],
                env={**os.environ, "PYTHONHASHSEED": str(index + 1)},
                cwd=Path(__file__).parents[1],
                stdout=subprocess.PIPE,
                text=True,
            )
            for index, share in enumerate(plan_shares(runs, processes))
        ]
        counted: Counter[str] = Counter()
        outputs = [(process, process.communicate()[0]) for process in started]
        for process, output in outputs:
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, process.args, output)
            counted.update(output.split())
        histories = [json.loads((folder / digest).read_text()) for digest in sorted(counted)[:2]]
        return counted, first_difference(*histories) if len(histories) > 1 else ""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m standalone.repeatability", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.here:
        run_here(options.runs, options.seed, options.here)
        return 0
    counted, difference = repeat(options.runs, options.processes, options.seed)
    for digest, count in counted.most_common():
        print(f"{count:5} of {options.runs} runs: {digest}")
    if difference:
        print(difference)
    return 0 if len(counted) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
