"""The API server restarted below a simulated cluster: with its store, and with an empty one whose revisions begin anew."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from apiserver.backends.backend import Compacted
from apiserver.backends.memory import MemoryBackend
from client.informer import InformerFactory
from machinery.errors import Timeout
from machinery.gvk import CONFIGMAPS, DEPLOYMENTS, NODES, PODS
from standalone.simulation import Simulation, simulate

Obj = dict[str, Any]


def deployment(name: str, replicas: int) -> Obj:
    labels = {"app": name}
    spec = {"containers": [{"name": "web", "image": "localhost/web:1"}]}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def config_map(name: str) -> Obj:
    return {"metadata": {"name": name, "namespace": "default"}}


def within(limit_s: float, cluster: Simulation) -> Callable[[], None]:
    began = cluster.clock.monotonic()

    def check() -> None:
        assert cluster.clock.monotonic() - began < limit_s

    return check


def test_cluster_goes_on_after_a_restart_on_the_same_store() -> None:
    async def scenario(cluster: Simulation) -> None:
        await cluster.client.create(DEPLOYMENTS, deployment("web", 3))
        before = {pod["metadata"]["uid"] for pod in await cluster.wait_ready_pods(3)}
        await cluster.restart_api_server()
        await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 5}}, "default")
        after = {pod["metadata"]["uid"] for pod in await cluster.wait_ready_pods(5, timeout_s=60)}
        assert before < after

    simulate(scenario, nodes=2)


def test_controllers_recover_when_their_store_forgets_everything_and_counts_from_one_again() -> None:
    async def scenario(cluster: Simulation) -> None:
        for n in range(300):  # the old revisions are far beyond what the new store will reach
            await cluster.client.create(CONFIGMAPS, config_map(f"c{n}"))
        await cluster.clock.sleep(90)  # until bookmarks have told every informer so
        old = await cluster.backend.revision()
        await cluster.restart_api_server(forgetting=True)
        assert await cluster.backend.revision() < old
        in_time = within(60, cluster)
        await cluster.client.create(DEPLOYMENTS, deployment("new", 2))

        async def made() -> bool:
            return len(await cluster.pods()) == 2

        await cluster.wait(made)
        in_time()
        assert await cluster.backend.revision() < old

    simulate(scenario, nodes=2)


def test_components_that_remember_what_a_new_store_never_had_do_not_turn_in_circles_at_one_moment() -> None:
    """A ReplicaSet that only its controller remembers has its pods deleted as soon as they are made. Each of these requests takes a
    moment, so that the controller's cache has caught up before long."""

    async def scenario(cluster: Simulation) -> None:
        for n in range(40):
            await cluster.client.create(CONFIGMAPS, config_map(f"c{n}"))
        await cluster.client.create(DEPLOYMENTS, deployment("web", 3))
        await cluster.wait_ready_pods(3)
        await cluster.clock.sleep(130)
        await cluster.restart_api_server(forgetting=True)
        await cluster.client.create(DEPLOYMENTS, deployment("web", 2))
        await cluster.clock.sleep(60)
        assert len(await cluster.pods()) == 2

    simulate(scenario, nodes=2, seed=1)


def test_nodes_register_again_with_a_store_that_forgot_them() -> None:
    async def scenario(cluster: Simulation) -> None:
        for n in range(100):  # so that what the agents know is from beyond the new store's revisions
            await cluster.client.create(CONFIGMAPS, config_map(f"c{n}"))
        await cluster.clock.sleep(60)
        await cluster.restart_api_server(forgetting=True)
        in_time = within(60, cluster)

        async def registered() -> bool:
            nodes = (await cluster.client.list(NODES))["items"]
            return len(nodes) == 2 and all(is_ready(node) for node in nodes)

        await cluster.wait(registered)
        in_time()

    simulate(scenario, nodes=2)


def is_ready(node: dict[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def test_informer_drops_what_a_new_store_does_not_have() -> None:
    async def scenario(cluster: Simulation) -> None:
        informers = InformerFactory(cluster.client, cluster.clock, random.Random(1))
        informer = informers.informer(CONFIGMAPS)
        running = asyncio.create_task(informers.run())
        for n in range(200):
            await cluster.client.create(CONFIGMAPS, config_map(f"c{n}"))

        async def seen(name: str) -> bool:
            return informer.lister.get("default", name) is not None

        await cluster.wait(lambda: seen("c199"))
        await cluster.restart_api_server(forgetting=True)
        await cluster.client.create(CONFIGMAPS, config_map("fresh"))
        in_time = within(30, cluster)
        await cluster.wait(lambda: seen("fresh"))
        in_time()
        assert not await seen("c0")
        running.cancel()

    simulate(scenario)


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_revision_that_is_not_there_yet_is_waited_for_and_then_refused(verb: str) -> None:
    async def ask(cluster: Simulation, revision: str) -> object:
        if verb == "list":
            return await cluster.client.list(PODS, "default", resource_version=revision)
        async with cluster.client.watch(CONFIGMAPS, "default", resource_version=revision) as events:
            return await anext(aiter(events))

    async def scenario(cluster: Simulation) -> None:
        await cluster.clock.sleep(30)
        newest = await cluster.backend.revision()
        began = cluster.clock.monotonic()
        with pytest.raises(Timeout, match=f"Too large resource version: {newest + 1000}, current: ") as told:
            await ask(cluster, str(newest + 1000))
        # the client does as it is told and asks for a list again, some times
        assert 2.5 < cluster.clock.monotonic() - began < (60 if verb == "list" else 5)
        status = told.value.to_status()
        assert status["code"] == 504 and status["reason"] == "Timeout"
        assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
        assert status["details"]["retryAfterSeconds"] == 1

    simulate(scenario)


def test_store_that_begins_beyond_all_earlier_revisions_has_earlier_watchers_list_again() -> None:
    async def scenario(cluster: Simulation) -> None:
        old = (await cluster.client.list(CONFIGMAPS, "default"))["metadata"]["resourceVersion"]
        later = MemoryBackend(cluster.clock, after=10 * int(old))
        result = await later.put("/a", b"1", expect=0)
        assert result.revision == 10 * int(old) + 1
        assert [kv.key for kv in (await later.range("/")).kvs] == ["/a"]
        with pytest.raises(Compacted):
            async with later.watch("/", int(old)):
                pass
        async with later.watch("/", 10 * int(old)) as stream:
            assert [change.kv.key for change in await anext(stream)] == ["/a"]

    simulate(scenario)
