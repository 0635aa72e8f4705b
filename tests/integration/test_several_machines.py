"""What nodes on several machines need of the control plane and of each other: ranges, and routes to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from random import Random
from typing import Any

from apiserver.auth.user import User
from client.informer import InformerFactory
from controllers.component import ControllerManager
from machinery.gvk import EVENTS, NODES
from network.routes import NodeRoutes, RoutesFailed
from standalone.simulation import Simulation, simulate

Obj = dict[str, Any]


def bare_node(name: str) -> Obj:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


async def ranges(cluster: Simulation) -> dict[str, str]:
    nodes = (await cluster.client.list(NODES))["items"]
    return {n["metadata"]["name"]: n["spec"]["podCIDR"] for n in nodes if n["spec"].get("podCIDR")}


def test_nodes_without_a_range_get_distinct_ones_until_none_is_left() -> None:
    async def scenario(cluster: Simulation) -> None:
        user = User("system:kube-controller-manager", ("system:authenticated",))
        manager = ControllerManager(
            cluster.client_as(user), cluster.clock, Random(1), cluster_cidr="10.244.0.0/22", only=["nodeipam"]
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(manager.run())
            for name in ("b", "c", "d"):
                await cluster.client.create(NODES, bare_node(name))

            async def told() -> bool:
                events = (await cluster.client.list(EVENTS, "default"))["items"]
                return any(event["reason"] == "CIDRNotAvailable" for event in events)

            await cluster.wait(told)
            # node-1 came with 10.244.1.0/24 of its own.
            given = await ranges(cluster)
            assert given.pop("node-1") == "10.244.1.0/24"
            assert sorted(given.values()) == ["10.244.2.0/24", "10.244.3.0/24"]
            (lucky, *_), (left,) = given, {"b", "c", "d"} - given.keys()
            freed = given[lucky]
            await cluster.client.delete(NODES, lucky)

            async def got_it() -> bool:
                return (await ranges(cluster)).get(left) == freed

            await cluster.wait(got_it)
            running.cancel()

    simulate(scenario)


class Kernel:
    """Answers as ip would, and does what its batches say."""

    def __init__(self) -> None:
        self.routes: dict[str, str] = {}
        self.refusals = 0

    async def run_ip(self, arguments: Sequence[str], text: str) -> str:
        if "address" in arguments:
            return json.dumps([{"addr_info": [{"local": "10.99.0.1", "prefixlen": 24}]}])
        if "show" in arguments:
            return json.dumps([{"dst": dst, "gateway": gateway} for dst, gateway in self.routes.items()])
        if self.refusals:
            self.refusals -= 1
            raise RoutesFailed("Network is unreachable")
        for line in text.splitlines():
            words = line.split()
            if words[1] == "del":
                del self.routes[words[2]]
            else:
                self.routes[words[2]] = words[4]
        return ""


def test_routes_follow_the_nodes_and_are_tried_again_when_refused() -> None:
    async def scenario(cluster: Simulation) -> None:
        kernel = Kernel()
        kernel.refusals = 1
        informers = InformerFactory(cluster.client, cluster.clock, Random(1))
        routes = NodeRoutes(informers, cluster.clock, "node-1", kernel.run_ip)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(informers.run()), group.create_task(routes.run())]
            await cluster.clock.sleep(1)
            assert not routes.has_synced()
            await cluster.clock.sleep(2)
            assert kernel.routes == {"10.244.2.0/24": "10.99.0.12"}
            cluster.add_node("node-3")
            await cluster.wait_nodes_ready(3)
            await cluster.clock.sleep(1)
            assert kernel.routes["10.244.3.0/24"] == "10.99.0.13"
            cluster.power_off("node-2")
            await cluster.client.delete(NODES, "node-2")
            await cluster.clock.sleep(1)
            assert sorted(kernel.routes) == ["10.244.3.0/24"]
            for task in tasks:
                task.cancel()

    simulate(scenario, nodes=2)
