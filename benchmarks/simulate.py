"""The simulator: 3 nodes, a Deployment, ten minutes, a lost node, its pods elsewhere; how long that takes us.

The same scenario as tests/integration/test_simulation.py holds to its meaning; here it is only timed.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from benchmarks.bench import Bench
from benchmarks.clusters import ROOT
from benchmarks.rows import Row, Target
from benchmarks.sampling import median, process_s

_TARGET = Target("<=", 1.0)


def measure(bench: Bench) -> list[Row]:
    bench.say("first and further scenarios in one process")
    first, later, simulated = [], [], 0.0
    for _ in range(bench.rounds(7)):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.simulate"],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
        )
        times = [float(word) for word in done.stdout.split()]
        first.append(times[0])
        later += times[1:-1]
        simulated = times[-1]
    whole = [
        process_s([sys.executable, "-c", _WHOLE], {"PYTHONPATH": str(ROOT)}) for _ in range(bench.rounds(5))
    ]
    return [
        Row(
            "a node lost after ten minutes: first scenario of a process",
            median(first),
            "s",
            _TARGET,
            None,
            first,
        ),
        Row(
            "a node lost after ten minutes: each further one",
            median(later),
            "s",
            _TARGET,
            None,
            later,
            f"{simulated:.0f} simulated seconds, {simulated / median(later):,.0f} × real time",
        ),
        Row(
            "the whole process, interpreter and imports included",
            median(whole),
            "s",
            None,
            None,
            whole,
            "imports of every component",
        ),
    ]


_WHOLE = "from benchmarks.simulate import lose_a_node; from standalone.simulation import simulate; simulate(lose_a_node, nodes=3)"


def _deployment() -> dict[str, Any]:
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "localhost/web:1"}]},
            },
        },
    }


async def lose_a_node(cluster: Any) -> float:
    """Returns the simulated seconds from the start to the moved pods."""
    from machinery.gvk import DEPLOYMENTS

    began = cluster.clock.monotonic()
    await cluster.client.create(DEPLOYMENTS, _deployment())
    before = await cluster.wait_ready_pods(3)
    await cluster.clock.sleep(600)
    lost = before[0]["spec"]["nodeName"]
    cluster.power_off(lost)

    async def moved() -> bool:
        ready = await cluster.ready_pods()
        return len(ready) == 3 and all(pod["spec"]["nodeName"] != lost for pod in ready)

    await cluster.wait(moved, timeout_s=900)
    return float(cluster.clock.monotonic() - began)


def _main() -> int:
    """Prints the seconds of three scenarios and the simulated seconds of one."""
    import time

    from standalone.simulation import simulate

    simulated = 0.0
    for seed in range(3):
        started = time.perf_counter()
        simulated = float(simulate(lose_a_node, nodes=3, seed=seed))
        print(time.perf_counter() - started)
    print(simulated)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
