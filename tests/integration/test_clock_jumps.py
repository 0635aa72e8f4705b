"""The wall clock is set forward or back below a running cluster: what counts time counts on."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from apiserver.backends.retention import Retention
from apiserver.backends.sqlite import SqliteBackend
from client.leaderelection import LeaderElectionConfig, LeaderElector
from machinery.clock import LoopClock
from machinery.gvk import DEPLOYMENTS, LEASES, NODES
from standalone.simulation import Simulation, simulate


def jump(cluster: Simulation, seconds: float) -> None:
    """Every component has the same clock."""
    clock, now = cluster.clock, type(cluster.clock).now
    clock.now = lambda: now(clock) + seconds


def test_nodes_stay_ready_and_pods_where_they_are() -> None:
    async def scenario(cluster: Simulation) -> None:
        spec: dict[str, Any] = {"containers": [{"name": "web", "image": "localhost/web:1"}]}
        await cluster.client.create(
            DEPLOYMENTS,
            {
                "metadata": {"name": "web", "namespace": "default"},
                "spec": {
                    "replicas": 2,
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
                },
            },
        )
        before = {pod["metadata"]["uid"] for pod in await cluster.wait_ready_pods(2)}
        for seconds in (7200.0, -7200.0):
            jump(cluster, seconds)
            for _ in range(60):
                await cluster.clock.sleep(1)
                for node in (await cluster.client.list(NODES))["items"]:
                    ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
                    assert ready["status"] == "True", (seconds, ready)
            assert {pod["metadata"]["uid"] for pod in await cluster.ready_pods()} == before

    simulate(scenario, nodes=2)


def test_leader_goes_on_leading_and_nobody_else_begins() -> None:
    async def scenario(cluster: Simulation) -> None:
        led: list[str] = []

        async def candidate(name: str) -> None:
            async def lead() -> None:
                led.append(name)
                await asyncio.Event().wait()

            config = LeaderElectionConfig("test", name)
            await LeaderElector(cluster.client, cluster.clock, random.Random(name), config).run(lead)

        tasks = [asyncio.create_task(candidate(name)) for name in ("a", "b")]
        await cluster.clock.sleep(20)
        first = list(led)
        assert len(first) == 1
        for seconds in (7200.0, -7200.0):
            jump(cluster, seconds)
            await cluster.clock.sleep(60)
            assert led == first
            assert (await cluster.client.get(LEASES, "test", "kube-system"))["spec"][
                "holderIdentity"
            ] == first[0]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    simulate(scenario)


def test_sqlite_forgets_no_history_when_the_clock_is_set_forward(tmp_path: Path) -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), 1_767_225_600.0)
        keep = Retention(max_age_s=3600.0, max_revisions=None, max_bytes=None, min_revisions=1)
        backend = SqliteBackend(tmp_path / "s.db", clock, keep)
        await backend.start()
        for n in range(50):
            await backend.put("/a", b"%d" % n)
        now = clock.now
        clock.now = lambda: now() + 30 * 86_400.0
        for n in range(50):
            await backend.put("/a", b"%d" % n)
        assert await backend.oldest_revision() == 0
        await backend.close()

    asyncio.run(main())
