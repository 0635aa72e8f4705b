"""The whole admission chain over HTTP, with the controllers it works with, under RBAC."""

from __future__ import annotations

import asyncio
import random

import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.auth.signing import TokenSigner
from apiserver.auth.user import User
from apiserver.composition import make_admission
from apiserver.guard import rbac_guard
from client.client import Client
from client.inprocess import InProcessTransport
from controllers.component import ControllerManager
from controllers.resourcequota import RESOURCE_QUOTAS
from controllers.volumeprotection import PERSISTENTVOLUMECLAIMS
from machinery.errors import Forbidden, NotFound
from machinery.gvk import CONFIGMAPS, GVR, NAMESPACES, NODES, PODS, SECRETS, SERVICEACCOUNTS, SERVICES

NS = "default"
LIMITRANGES = GVR("", "v1", "limitranges")
RUNTIMECLASSES = GVR("node.k8s.io", "v1", "runtimeclasses", namespaced=False)
STORAGECLASSES = GVR("storage.k8s.io", "v1", "storageclasses", namespaced=False)


def guard(engine):
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = TokenSigner(key, "https://kubernetes.default.svc")
    return rbac_guard(
        engine, signer=signer, clock=engine.clock, rng=engine.rng, make_admission=make_admission
    )


@pytest.fixture
def run_cluster(run_api):
    def run(body):
        async def whole(api):
            user = User("system:kube-controller-manager", ("system:authenticated",))
            client = Client(InProcessTransport(api.server.app, user), field_manager="controllers")
            manager = ControllerManager(client, api.clock, random.Random(3))
            async with asyncio.TaskGroup() as group:
                task = group.create_task(manager.run())
                await body(api)
                task.cancel()

        run_api(whole, guard=guard)

    return run


async def until(api, what, limit_s=30.0):
    started = api.clock.monotonic()
    while not await what():
        assert api.clock.monotonic() - started < limit_s
        await api.clock.sleep(0.05)


def pod(name="p", **spec):
    containers = [{"name": "c", "image": "i", **spec.pop("container", {})}]
    return {"metadata": {"name": name, "namespace": NS}, "spec": {"containers": containers, **spec}}


def quota(name="q", **hard):
    return {"metadata": {"name": name, "namespace": NS}, "spec": {"hard": hard}}


def used(api, wanted, name="q"):
    async def check():
        live = await api.client.get(RESOURCE_QUOTAS, name, NS)
        return live.get("status", {}).get("used") == wanted

    return check


def test_pod_created_right_after_its_namespace_is_admitted(run_cluster):
    async def body(api):
        await api.client.create(NAMESPACES, {"metadata": {"name": "new"}})
        made = pod()
        made["metadata"]["namespace"] = "new"
        assert (await api.client.create(PODS, made))["spec"]["serviceAccountName"] == "default"
        assert await api.client.get(SERVICEACCOUNTS, "default", "new")

    run_cluster(body)


def test_quota_follows_the_life_of_objects(run_cluster):
    async def body(api):
        hard = {"pods": "2", "requests.cpu": "1", "configmaps": "9", "secrets": "1", "services": "9"}
        hard |= {"services.nodeports": "1", "count/replicasets.apps": "0"}
        await api.client.create(RESOURCE_QUOTAS, quota(**hard))

        async def acknowledged():
            status = (await api.client.get(RESOURCE_QUOTAS, "q", NS)).get("status", {})
            return status.get("hard") == hard and status["used"].keys() == hard.keys()

        await until(api, acknowledged)
        # A namespace has a few things of its own.
        zero = (await api.client.get(RESOURCE_QUOTAS, "q", NS))["status"]["used"]
        assert zero["pods"] == zero["requests.cpu"] == zero["secrets"] == "0"
        one_more = str(int(zero["services"]) + 1)

        ask = {"container": {"resources": {"requests": {"cpu": "600m"}}}}
        await api.client.create(PODS, pod("one", **ask))
        await until(api, used(api, {**zero, "pods": "1", "requests.cpu": "600m"}))
        with pytest.raises(
            Forbidden, match=r"exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu"
        ):
            await api.client.create(PODS, pod("two", **ask))
        with pytest.raises(Forbidden, match=r"must specify requests.cpu"):
            await api.client.create(PODS, pod("two"))
        await api.client.delete(PODS, "one", NS, grace_period_s=0)
        await until(api, used(api, zero))

        await api.client.create(SECRETS, {"metadata": {"name": "s", "namespace": NS}})
        with pytest.raises(Forbidden, match="exceeded quota: q, requested: secrets=1"):
            await api.client.create(SECRETS, {"metadata": {"name": "t", "namespace": NS}})
        await api.client.delete(SECRETS, "s", NS)
        await until(api, used(api, zero))

        service = {"metadata": {"name": "s", "namespace": NS}, "spec": {"ports": [{"port": 1}]}}
        await api.client.create(SERVICES, {**service, "spec": {**service["spec"], "type": "NodePort"}})
        await until(api, used(api, {**zero, "services": one_more, "services.nodeports": "1"}))
        await api.client.patch(SERVICES, "s", {"spec": {"type": "ClusterIP"}}, NS)
        await until(api, used(api, {**zero, "services": one_more}))

        await api.client.patch(RESOURCE_QUOTAS, "q", {"spec": {"hard": {"pods": "5"}}}, NS)

        async def raised():
            return (await api.client.get(RESOURCE_QUOTAS, "q", NS))["status"]["hard"]["pods"] == "5"

        await until(api, raised)

    run_cluster(body)


def test_quota_counts_custom_resources(run_cluster):
    async def body(api):
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        crd = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "toys.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"plural": "toys", "kind": "Toy"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
            },
        }
        response = await api.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
        assert response.status == 201
        toys = GVR("example.com", "v1", "toys")
        await api.client.create(RESOURCE_QUOTAS, quota(**{"count/toys.example.com": "1"}))
        await until(api, used(api, {"count/toys.example.com": "0"}))
        toy = {"apiVersion": "example.com/v1", "kind": "Toy", "metadata": {"name": "t", "namespace": NS}}
        await api.client.create(toys, toy)
        with pytest.raises(Forbidden, match="exceeded quota: q"):
            await api.client.create(toys, {**toy, "metadata": {"name": "u", "namespace": NS}})
        await api.client.delete(toys, "t", NS)
        await until(api, used(api, {"count/toys.example.com": "0"}))

    run_cluster(body)


def test_limits_and_runtime_classes_shape_pods(run_cluster):
    async def body(api):
        item = {"type": "Container", "max": {"cpu": "1"}, "default": {"cpu": "500m"}}
        limits = {"metadata": {"name": "l", "namespace": NS}, "spec": {"limits": [item]}}
        await api.client.create(LIMITRANGES, limits)
        made = await api.client.create(PODS, pod("a"))
        assert made["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "500m"}
        assert made["status"]["qosClass"] == "Burstable"  # of the pod as it is kept
        with pytest.raises(Forbidden, match="maximum cpu usage per Container is 1, but limit is 2"):
            await api.client.create(PODS, pod("b", container={"resources": {"limits": {"cpu": "2"}}}))
        with pytest.raises(Forbidden, match='pod rejected: RuntimeClass "sandboxed" not found'):
            await api.client.create(PODS, pod("c", runtimeClassName="sandboxed"))
        overhead = {"podFixed": {"memory": "64Mi"}}
        await api.client.create(
            RUNTIMECLASSES, {"metadata": {"name": "sandboxed"}, "handler": "x", "overhead": overhead}
        )
        made = await api.client.create(PODS, pod("c", runtimeClassName="sandboxed"))
        assert made["spec"]["overhead"] == {"memory": "64Mi"}
        await api.client.delete(RUNTIMECLASSES, "sandboxed")
        with pytest.raises(Forbidden, match="not found"):
            await api.client.create(PODS, pod("d", runtimeClassName="sandboxed"))

    run_cluster(body)


def test_claim_gets_the_default_class_and_stays_while_a_pod_uses_it(run_cluster):
    async def body(api):
        marked = {"storageclass.kubernetes.io/is-default-class": "true"}
        await api.client.create(
            STORAGECLASSES, {"metadata": {"name": "std", "annotations": marked}, "provisioner": "x/y"}
        )
        asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        claim = await api.client.create(
            PERSISTENTVOLUMECLAIMS, {"metadata": {"name": "c", "namespace": NS}, "spec": asked}
        )
        assert claim["spec"]["storageClassName"] == "std"
        assert claim["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
        volume = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
        await api.client.create(PODS, pod("user", nodeName="n1", volumes=[volume]))
        await api.client.delete(PERSISTENTVOLUMECLAIMS, "c", NS)
        await api.clock.sleep(3)
        assert (await api.client.get(PERSISTENTVOLUMECLAIMS, "c", NS))["metadata"]["deletionTimestamp"]
        await api.client.delete(PODS, "user", NS, grace_period_s=0)

        async def gone():
            try:
                await api.client.get(PERSISTENTVOLUMECLAIMS, "c", NS)
            except NotFound:
                return True
            return False

        await until(api, gone)

    run_cluster(body)


def test_many_pods_at_once_never_exceed_a_quota(run_cluster):
    async def body(api):
        await api.client.create(RESOURCE_QUOTAS, quota(pods="7"))
        await until(api, used(api, {"pods": "0"}))
        path = f"/api/v1/namespaces/{NS}/pods"
        answers = await asyncio.gather(*(api.send("POST", path, pod(f"p{n}")) for n in range(20)))
        assert sorted(each.status for each in answers) == [201] * 7 + [403] * 13
        assert len((await api.client.list(PODS, NS))["items"]) == 7
        refused = next(orjson.loads(each.body) for each in answers if each.status == 403)
        assert refused["message"].endswith(
            "exceeded quota: q, requested: pods=1, used: pods=7, limited: pods=7"
        )
        assert await api.client.list(CONFIGMAPS, NS)

    run_cluster(body)


def test_bound_pod_learns_the_zone_of_its_node(run_cluster):
    async def body(api):
        labels = {"topology.kubernetes.io/zone": "z1", "other": "x"}
        await api.client.create(NODES, {"metadata": {"name": "n1", "labels": labels}})
        await api.client.create(PODS, pod())
        binding = {"metadata": {"name": "p", "namespace": NS}, "target": {"kind": "Node", "name": "n1"}}
        await api.client.create(PODS, binding, NS, subresource="binding", name="p")
        bound = await api.client.get(PODS, "p", NS)
        assert bound["metadata"]["labels"] == {"topology.kubernetes.io/zone": "z1"}

    run_cluster(body)


def test_node_gets_tokens_only_for_pods_that_run_there(run_cluster):
    async def body(api):
        await api.client.create(NODES, {"metadata": {"name": "n1"}})
        await api.client.create(PODS, pod(nodeName="n1"))
        uid = (await api.client.get(PODS, "p", NS))["metadata"]["uid"]
        node = User("system:node:n1", ("system:nodes", "system:authenticated"))
        agent = Client(InProcessTransport(api.server.app, node))

        async def ask(**spec):
            request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
            return await agent.create(SERVICEACCOUNTS, request, NS, subresource="token", name="default")

        async def allowed():
            try:
                await ask(boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": uid})
            except Forbidden:
                return False
            return True

        await until(api, allowed)
        with pytest.raises(Forbidden, match="requested token not bound to a pod"):
            await ask()

    run_cluster(body)
