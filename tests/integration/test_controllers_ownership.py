"""What goes, stays or comes back with its owner or its namespace, under all controllers."""

from __future__ import annotations

from controller_worlds import Cluster, deployment, has_count, is_empty, scenario

from machinery.errors import NotFound
from machinery.gvk import (
    CONFIGMAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    REPLICASETS,
    SERVICEACCOUNTS,
)
from machinery.objects import find_condition

Obj = dict


def test_deleting_a_deployment_takes_everything_with_it() -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.client.create(DEPLOYMENTS, deployment())
        await cluster.until(lambda: cluster.rolled_out("web"))
        await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation_policy="Background")
        await cluster.until(lambda: is_empty(cluster, REPLICASETS, PODS))

    scenario(body)


def test_foreground_deletion_ends_with_the_owner() -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.client.create(DEPLOYMENTS, deployment())
        await cluster.until(lambda: cluster.rolled_out("web"))
        order = []
        cluster.agents.pods.add_handler(on_delete=lambda pod: order.append("pod"))
        await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation_policy="Foreground")
        dying = await cluster.client.get(DEPLOYMENTS, "web", "default")
        assert dying["metadata"]["finalizers"] == ["foregroundDeletion"]
        await cluster.until(lambda: is_empty(cluster, DEPLOYMENTS))
        assert order == ["pod"] * 3
        assert await is_empty(cluster, REPLICASETS, PODS)

    scenario(body)


def test_orphaning_deletion_keeps_the_replicaset_and_a_new_owner_adopts_it() -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.client.create(DEPLOYMENTS, deployment())
        await cluster.until(lambda: cluster.rolled_out("web"))
        (before,) = await cluster.items(REPLICASETS)
        await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation_policy="Orphan")
        await cluster.until(lambda: is_empty(cluster, DEPLOYMENTS))
        await cluster.clock.sleep(60)
        (orphan,) = await cluster.items(REPLICASETS)
        assert "ownerReferences" not in orphan["metadata"]
        assert len(await cluster.items(PODS)) == 3
        await cluster.client.create(DEPLOYMENTS, deployment())
        await cluster.until(lambda: cluster.rolled_out("web"))
        (adopted,) = await cluster.items(REPLICASETS)
        assert adopted["metadata"]["uid"] == before["metadata"]["uid"]
        assert adopted["metadata"]["ownerReferences"][0]["controller"] is True

    scenario(body)


def test_object_whose_owner_never_existed_is_collected_and_shared_ones_stay() -> None:
    async def body(cluster: Cluster) -> None:
        service_account = await cluster.client.create(
            SERVICEACCOUNTS, {"metadata": {"name": "owner", "namespace": "default"}}
        )
        solid = {"apiVersion": "v1", "kind": "ServiceAccount", "name": "owner"}
        solid["uid"] = service_account["metadata"]["uid"]
        absent = {"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "uid": "no-such-uid"}
        for name, refs in {"doomed": [absent], "shared": [absent, solid]}.items():
            meta = {"name": name, "namespace": "default", "ownerReferences": refs}
            await cluster.client.create(CONFIGMAPS, {"metadata": meta})

        async def settled() -> bool:
            maps = {each["metadata"]["name"]: each for each in await cluster.items(CONFIGMAPS)}
            shared = maps["shared"]["metadata"]["ownerReferences"]
            return "doomed" not in maps and [ref["name"] for ref in shared] == ["owner"]

        await cluster.until(settled)

    scenario(body)


def test_namespace_is_emptied_and_goes() -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.client.create(NAMESPACES, {"metadata": {"name": "shop"}})

        async def furnished() -> bool:
            await cluster.client.get(SERVICEACCOUNTS, "default", "shop")
            return bool((await cluster.client.get(CONFIGMAPS, "kube-root-ca.crt", "shop"))["data"]["ca.crt"])

        await cluster.until(furnished)
        web = deployment()
        web["metadata"]["namespace"] = "shop"
        await cluster.client.create(DEPLOYMENTS, web)
        held = {"name": "held", "namespace": "shop", "finalizers": ["example.com/mine"]}
        await cluster.client.create(CONFIGMAPS, {"metadata": held})
        await cluster.until(lambda: has_count(cluster, PODS, "shop", 3))
        await cluster.client.delete(NAMESPACES, "shop")

        async def waits_for_finalizer() -> bool:
            namespace = await cluster.client.get(NAMESPACES, "shop")
            condition = find_condition(namespace, "NamespaceFinalizersRemaining")
            return condition is not None and condition["message"] == (
                "Some content in the namespace has finalizers remaining: example.com/mine in 1 resource instances"
            )

        await cluster.until(waits_for_finalizer)
        assert await has_count(cluster, PODS, "shop", 0)
        await cluster.client.patch(CONFIGMAPS, "held", {"metadata": {"finalizers": None}}, "shop")

        async def gone() -> bool:
            try:
                await cluster.client.get(NAMESPACES, "shop")
            except NotFound:
                return True
            return False

        await cluster.until(gone)

    scenario(body)


def test_default_account_and_root_ca_come_back() -> None:
    async def body(cluster: Cluster) -> None:
        async def there() -> bool:
            await cluster.client.get(SERVICEACCOUNTS, "default", "default")
            return (await cluster.client.get(CONFIGMAPS, "kube-root-ca.crt", "default"))["data"] == {
                "ca.crt": "PEM"
            }

        await cluster.until(there)
        await cluster.client.delete(SERVICEACCOUNTS, "default", "default")
        await cluster.client.patch(CONFIGMAPS, "kube-root-ca.crt", {"data": {"ca.crt": "forged"}}, "default")
        await cluster.until(there)

    scenario(body)
