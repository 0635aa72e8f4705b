"""The whole cluster in one process on a virtual clock: it heals, and the same seed gives the same history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from machinery.gvk import DEPLOYMENTS, EVENTS, PODS
from standalone.repeatability import first_difference, plan_shares, repeat
from standalone.simulation import Simulation, simulate

Obj = dict[str, Any]


def deployment(name: str = "web", replicas: int = 3) -> Obj:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "localhost/web:1"}]},
            },
        },
    }


async def lose_a_node(cluster: Simulation) -> str:
    """Three nodes and a Deployment; ten minutes pass, a node is lost, its pods move. Returns the history's digest."""
    await cluster.client.create(DEPLOYMENTS, deployment())
    before = await cluster.wait_ready_pods(3)
    await cluster.clock.sleep(600)
    lost = before[0]["spec"]["nodeName"]
    started = cluster.clock.monotonic()
    cluster.power_off(lost)

    async def moved() -> bool:
        ready = await cluster.ready_pods()
        return len(ready) == 3 and all(pod["spec"]["nodeName"] != lost for pod in ready)

    await cluster.wait(moved, timeout_s=900)
    # 40 s until the lease is stale, 300 s of toleration: sooner would be a bug as well.
    assert 300 < cluster.clock.monotonic() - started < 420
    return cluster.digest()


def test_lost_node_has_its_pods_moved() -> None:
    simulate(lose_a_node, nodes=3)


@pytest.mark.timeout(240)
def test_same_seed_gives_the_same_history_in_every_process() -> None:
    """Also where strings and tasks hash differently. `python -m standalone.repeatability` does it a hundred times."""
    counted, difference = repeat(runs=2, processes=2, seed=11)
    assert (len(counted), counted.total()) == (1, 2), difference


def test_histories_that_part_are_told_with_the_line_where_they_do() -> None:
    one = [(1, "/a", False, "{}"), (2, "/b", False, "{}")]
    assert first_difference(one, one) == ""
    assert (
        first_difference(one, [one[0], (2, "/c", True, "{}")])
        == "one wrote 2 PUT /b {}\n   another 2 DELETE /c {}"
    )
    assert first_difference(one, one[:1]).endswith("another nothing more")


def test_runs_are_shared_out_with_no_process_idle() -> None:
    assert plan_shares(10, 4) == [3, 3, 2, 2]
    assert plan_shares(2, 4) == [1, 1]


def test_other_seed_gives_another_history() -> None:
    assert simulate(lose_a_node, nodes=3, seed=1) != simulate(lose_a_node, nodes=3, seed=2)


def test_killed_container_is_started_again_at_once() -> None:
    async def scenario(cluster: Simulation) -> None:
        await cluster.client.create(DEPLOYMENTS, deployment(replicas=1))
        (pod,) = await cluster.wait_ready_pods(1)
        started = cluster.clock.monotonic()
        container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
        cluster.nodes[pod["spec"]["nodeName"]].runtime.kill(container)

        async def restarted() -> bool:
            current = await cluster.client.get(PODS, pod["metadata"]["name"], "default")
            status = current["status"]["containerStatuses"][0]
            return status["restartCount"] == 1 and bool(status["ready"])

        await cluster.wait(restarted)
        assert cluster.clock.monotonic() - started < 2

    simulate(scenario)


def test_pod_that_fits_nowhere_says_why_for_each_node() -> None:
    async def scenario(cluster: Simulation) -> None:
        greedy = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "greedy", "namespace": "default"},
            "spec": {
                "containers": [
                    {"name": "c", "image": "localhost/web:1", "resources": {"requests": {"cpu": "1000"}}}
                ]
            },
        }
        await cluster.client.create(PODS, greedy)
        await cluster.clock.sleep(5)
        pod = await cluster.client.get(PODS, "greedy", "default")
        (condition,) = [c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled"]
        assert condition["message"] == "0/2 nodes are available: 2 Insufficient cpu."
        events = (await cluster.client.list(EVENTS, "default"))["items"]
        assert any(e["reason"] == "FailedScheduling" and e["message"] == condition["message"] for e in events)

    simulate(scenario, nodes=2)


def test_scenario_that_fails_raises_its_own_error() -> None:
    async def scenario(cluster: Simulation) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        simulate(scenario)


def test_fixture_runs_a_scenario(kctl_simulation: Callable[..., Any]) -> None:
    async def scenario(cluster: Simulation) -> int:
        return len((await cluster.client.list(PODS))["items"])

    assert kctl_simulation(scenario, nodes=1, seed=5) == 0
