"""Workloads, services and operators under all controllers, against the real API server."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import yaml
from controller_worlds import Cluster, arrived, deployment, has_count, is_empty, scenario

from controllers.framework import Runner
from machinery.gvk import (
    CONFIGMAPS,
    CRDS,
    DEPLOYMENTS,
    ENDPOINTSLICES,
    EVENTS,
    NODES,
    PODS,
    REPLICASETS,
    SERVICES,
)
from machinery.objects import find_condition

Obj = dict
EXAMPLE = Path(__file__).parents[2] / "manifests" / "example-operator"


def test_deployment_makes_pods_that_become_available() -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.client.create(DEPLOYMENTS, deployment())
        await cluster.until(lambda: cluster.rolled_out("web"))
        (replicaset,) = await cluster.items(REPLICASETS)
        pods = await cluster.items(PODS)
        assert len(pods) == 3
        hash_ = replicaset["metadata"]["labels"]["pod-template-hash"]
        assert replicaset["metadata"]["name"] == f"web-{hash_}"
        assert all(pod["metadata"]["labels"] == {"app": "web", "pod-template-hash": hash_} for pod in pods)
        live = await cluster.client.get(DEPLOYMENTS, "web", "default")
        assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
        assert find_condition(live, "Available")["reason"] == "MinimumReplicasAvailable"
        await cluster.until(lambda: arrived(cluster))
        assert await cluster.events("ScalingReplicaSet") == [f"Scaled up replica set web-{hash_} from 0 to 3"]
        created = await cluster.events("SuccessfulCreate")
        assert sorted(created) == sorted(f"Created pod: {pod['metadata']['name']}" for pod in pods)

    scenario(body)


def test_rollout_keeps_availability_and_old_replicaset_for_undo() -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.client.create(DEPLOYMENTS, deployment(replicas=4))
        await cluster.until(lambda: cluster.rolled_out("web"))
        lowest = 4

        def watch_availability(_old: Obj, _new: Obj) -> None:
            nonlocal lowest
            pods = cluster.agents.pods.lister.list("default")
            ready = [
                p
                for p in pods
                if (find_condition(p, "Ready") or {}).get("status") == "True"
                and not p["metadata"].get("deletionTimestamp")
            ]
            lowest = min(lowest, len(ready))

        cluster.agents.pods.add_handler(on_update=watch_availability)
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "web:2"}]}}}}
        await cluster.client.patch(DEPLOYMENTS, "web", patch, "default", type="strategic")
        await cluster.until(lambda: cluster.rolled_out("web"))
        assert lowest >= 3
        replicasets = await cluster.items(REPLICASETS)
        assert sorted(each["spec"]["replicas"] for each in replicasets) == [0, 4]
        assert {pod["spec"]["containers"][0]["image"] for pod in await cluster.items(PODS)} == {"web:2"}
        live = await cluster.client.get(DEPLOYMENTS, "web", "default")
        assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"

    scenario(body)


def test_killed_pod_is_replaced_and_scaling_follows() -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.client.create(DEPLOYMENTS, deployment(replicas=3))
        await cluster.until(lambda: cluster.rolled_out("web"))
        victim = (await cluster.items(PODS))[0]["metadata"]["name"]
        await cluster.client.delete(PODS, victim, "default")

        async def replaced() -> bool:
            names = [pod["metadata"]["name"] for pod in await cluster.items(PODS)]
            return len(names) == 3 and victim not in names

        await cluster.until(replaced)
        await cluster.until(lambda: cluster.rolled_out("web"))
        await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 7}}, "default")
        await cluster.until(lambda: cluster.rolled_out("web"))
        await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 1}}, "default")
        await cluster.until(lambda: cluster.rolled_out("web"))
        assert len(await cluster.items(PODS)) == 1

    scenario(body)


def test_no_pod_too_many_is_ever_created() -> None:
    """Read-your-writes: however late the caches are, creation is never repeated."""

    async def body(cluster: Cluster) -> None:
        created = []
        cluster.agents.pods.add_handler(on_add=created.append)
        await cluster.client.create(DEPLOYMENTS, deployment(replicas=40))
        await cluster.until(lambda: cluster.rolled_out("web"))
        await cluster.clock.sleep(100)
        assert len(created) == 40

    scenario(body)


def test_endpoints_follow_readiness_and_deletion() -> None:
    async def body(cluster: Cluster) -> None:
        ports = [{"port": 80, "targetPort": 8080}]
        service = {"metadata": {"name": "web", "namespace": "default"}}
        service["spec"] = {"selector": {"app": "web"}, "ports": ports}
        await cluster.client.create(SERVICES, service)

        async def ready(count: int) -> bool:
            slices = await cluster.items(ENDPOINTSLICES, selector="kubernetes.io/service-name=web")
            endpoints = [e for each in slices for e in each.get("endpoints") or ()]
            return bool(slices) and sum(e["conditions"]["ready"] for e in endpoints) == count

        await cluster.until(lambda: ready(0))
        await cluster.client.create(DEPLOYMENTS, deployment())
        await cluster.until(lambda: ready(3))
        await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 1}}, "default")
        await cluster.until(lambda: ready(1))
        await cluster.client.delete(SERVICES, "web", "default")
        await cluster.until(
            lambda: has_count(cluster, ENDPOINTSLICES, "default", 0, "kubernetes.io/service-name=web")
        )

    scenario(body)


def test_example_operator_serves_its_custom_resource() -> None:
    spec = importlib.util.spec_from_file_location("website", EXAMPLE / "website.py")
    website = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(website)
    crd, sample = (yaml.safe_load((EXAMPLE / name).read_text()) for name in ("crd.yaml", "sample.yaml"))

    async def body(cluster: Cluster) -> None:
        await cluster.client.create(CRDS, crd)
        await cluster.client.create(website.WEBSITES, sample)
        runner = Runner(cluster.client, cluster.clock, random.Random(1), [website.reconcile])
        cluster.also_run(runner.run())

        async def ready(count: int) -> bool:
            site = await cluster.client.get(website.WEBSITES, "hello", "default")
            return site.get("status", {}).get("ready") == count

        await cluster.until(lambda: ready(2))
        page = await cluster.client.get(CONFIGMAPS, "hello", "default")
        assert page["data"] == {"index.html": "<h1>Hello</h1>"}
        patch = {"spec": {"replicas": 3, "html": "new"}}
        await cluster.client.patch(website.WEBSITES, "hello", patch, "default")
        await cluster.until(lambda: ready(3))
        await cluster.client.delete(CONFIGMAPS, "hello", "default")

        async def restored() -> bool:
            page = await cluster.client.get(CONFIGMAPS, "hello", "default")
            return page["data"] == {"index.html": "new"}

        await cluster.until(restored)
        await cluster.clock.sleep(60)
        settled = runner.metrics["website"].results["success"]
        await cluster.clock.sleep(600)
        assert runner.metrics["website"].results == {**runner.metrics["website"].results, "success": settled}
        assert "error" not in runner.metrics["website"].results
        await cluster.client.delete(website.WEBSITES, "hello", "default")
        await cluster.until(lambda: is_empty(cluster, DEPLOYMENTS, REPLICASETS, PODS))

    scenario(body)


def test_example_operator_is_short() -> None:
    lines = sum(len(file.read_text().splitlines()) for file in EXAMPLE.iterdir() if file.is_file())
    assert lines < 60


def test_same_seed_gives_the_same_history() -> None:
    def played() -> list[object]:
        final: list[object] = []

        async def body(cluster: Cluster) -> None:
            await cluster.client.create(DEPLOYMENTS, deployment(replicas=6))
            await cluster.until(lambda: cluster.rolled_out("web"))
            cluster.agents.silent.add("node-2")
            await cluster.clock.sleep(600)
            await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 2}}, "default")
            await cluster.clock.sleep(60)
            kinds = (DEPLOYMENTS, REPLICASETS, PODS, EVENTS, NODES)
            final.extend([await cluster.client.list(gvr) for gvr in kinds])

        scenario(body)
        return final

    assert played() == played()
