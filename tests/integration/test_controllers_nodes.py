"""Nodes that fall silent and come back, under all controllers."""

from __future__ import annotations

from pathlib import Path

from controller_worlds import Cluster, deployment, has_count, scenario

from machinery.clock import rfc3339
from machinery.gvk import (
    DEPLOYMENTS,
    NODES,
    PODS,
)
from machinery.objects import find_condition

Obj = dict


def test_lost_node_is_noticed_and_its_pods_move_after_their_toleration() -> None:
    async def body(cluster: Cluster) -> None:
        toleration = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        web = deployment(replicas=3)
        web["spec"]["template"]["spec"]["tolerations"] = [
            {**toleration, "key": f"node.kubernetes.io/{key}"} for key in ("not-ready", "unreachable")
        ]
        await cluster.client.create(DEPLOYMENTS, web)
        await cluster.until(lambda: cluster.rolled_out("web"))
        cluster.agents.silent.add("node-1")

        async def unknown() -> bool:
            node = await cluster.client.get(NODES, "node-1")
            return find_condition(node, "Ready")["status"] == "Unknown"

        assert 30 <= await cluster.until(unknown) <= 41

        async def moved() -> bool:
            alive = [p for p in await cluster.items(PODS) if not p["metadata"].get("deletionTimestamp")]
            return len(alive) == 3 and all(p["spec"].get("nodeName") in ("node-0", "node-2") for p in alive)

        assert 299 <= await cluster.until(moved, 400) <= 305
        assert await cluster.events("TaintManagerEviction")
        (stuck,) = [p for p in await cluster.items(PODS) if p["metadata"].get("deletionTimestamp")]
        assert find_condition(stuck, "DisruptionTarget")["reason"] == "DeletionByTaintManager"
        await cluster.client.delete(NODES, "node-1")
        assert 39 <= await cluster.until(lambda: has_count(cluster, PODS, "default", 3), 100) <= 45

    scenario(body)


def test_node_that_comes_back_loses_its_taints() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.agents.silent.add("node-0")

        async def tainted() -> bool:
            node = await cluster.client.get(NODES, "node-0")
            return len(node["spec"].get("taints") or ()) == 2

        await cluster.until(tainted)
        node = await cluster.client.get(NODES, "node-0")
        cluster.agents.silent.clear()
        stamp = rfc3339(cluster.clock.now())
        for condition in node["status"]["conditions"]:
            if condition["type"] == "Ready":
                condition |= {"status": "True", "lastHeartbeatTime": stamp, "lastTransitionTime": stamp}
        await cluster.client.update(NODES, node, subresource="status")

        async def clean() -> bool:
            return not (await cluster.client.get(NODES, "node-0"))["spec"].get("taints")

        await cluster.until(clean)

    scenario(body)


EXAMPLE = Path(__file__).parents[2] / "manifests" / "example-operator"
