"""All controllers against the real API server: memory backend, in-process transport, virtual time.

The agents and the scheduler are played here in a few lines: pods are bound round robin, run at once,
and die where the test says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.auth.signing import TokenSigner
from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.composition import make_admission, make_cacher, resources_of
from apiserver.guard import rbac_guard
from apiserver.server import ApiServer, Parts
from client.client import Client
from client.informer import Informer, InformerFactory
from client.inprocess import InProcessTransport
from controllers.component import ControllerManager
from controllers.framework import Runner
from machinery import virtual_loop
from machinery.clock import LoopClock, rfc3339, rfc3339_micro
from machinery.errors import ApiError, Conflict, NotFound
from machinery.gvk import (
    CONFIGMAPS,
    CRDS,
    DEPLOYMENTS,
    ENDPOINTSLICES,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    SERVICEACCOUNTS,
    SERVICES,
)
from machinery.objects import deep_copy, find_condition

Obj = dict


class NoNodes:
    """No test here reads logs or execs."""


@cache
def signing_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def api_server(clock: LoopClock, rng: random.Random) -> ApiServer:
    backend = MemoryBackend(clock)
    return ApiServer(
        Parts(
            backend,
            clock,
            rng,
            make_store=lambda resource: make_cacher(backend, resource, clock, rng),
            make_guard=partial(
                rbac_guard,
                signer=TokenSigner(signing_key(), "https://kubernetes.default.svc"),
                clock=clock,
                rng=rng,
                make_admission=make_admission,
            ),
            connector=NoNodes(),
            resources_of=resources_of,
        )
    )


class Agents:
    """Scheduler and kubelets: binds, runs, ends pods. `silent` nodes do nothing any more."""

    def __init__(self, client: Client, clock: LoopClock, nodes: list[str]) -> None:
        self.client = client
        self.clock = clock
        self.nodes = nodes
        self.silent: set[str] = set()
        self.unready: Callable[[Obj], bool] = lambda pod: False
        self._informers = InformerFactory(client, clock, random.Random(5))
        self.pods: Informer = self._informers.informer(PODS)
        self._dirty: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._next = 0
        self._ips = 0

    async def run(self) -> None:
        for name in self.nodes:
            await self._register(name)
        self.pods.add_handler(on_add=self._queue, on_update=lambda old, new: self._queue(new))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informers.run())
            group.create_task(self._renew())
            while True:
                key = await self._dirty.get()
                pod = self.pods.lister.get(*key)
                if pod is not None:
                    with contextlib.suppress(NotFound, Conflict):
                        await self._sync(pod)

    def _queue(self, pod: Obj) -> None:
        self._dirty.put_nowait((pod["metadata"]["namespace"], pod["metadata"]["name"]))

    async def _register(self, name: str) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"zone": "z"}}}
        node = await self.client.create(NODES, node)
        stamp = rfc3339(self.clock.now())
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": stamp}
        node["status"] = {"conditions": [{**ready, "lastTransitionTime": stamp, "message": "ready"}]}
        await self.client.update(NODES, node, subresource="status")
        lease = {
            "metadata": {"name": name, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40},
        }
        await self.client.create(LEASES, lease)

    async def _renew(self) -> None:
        while True:
            for name in self.nodes:
                if name not in self.silent:
                    patch = {"spec": {"renewTime": rfc3339_micro(self.clock.now())}}
                    await self.client.patch(LEASES, name, patch, "kube-node-lease")
            await self.clock.sleep(10)

    async def _sync(self, pod: Obj) -> None:
        meta = pod["metadata"]
        node = pod["spec"].get("nodeName")
        if not node:
            if meta.get("deletionTimestamp"):
                return
            alive = [name for name in self.nodes if name not in self.silent]
            node = alive[self._next % len(alive)]
            self._next += 1
            binding = {"metadata": {"name": meta["name"]}, "target": {"kind": "Node", "name": node}}
            await self.client.create(
                PODS, binding, meta["namespace"], subresource="binding", name=meta["name"]
            )
            return
        if node in self.silent:
            return
        if meta.get("deletionTimestamp"):
            await self.client.delete(PODS, meta["name"], meta["namespace"], grace_period_s=0)
            return
        ready = not self.unready(pod)
        current = find_condition(pod, "Ready")
        if current is None or (current["status"] == "True") != ready:
            self._ips += 1
            condition = {
                "type": "Ready",
                "status": "True" if ready else "False",
                "lastTransitionTime": rfc3339(self.clock.now()),
            }
            ip = (pod.get("status") or {}).get("podIP") or f"10.244.0.{self._ips}"
            status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [condition]}
            await self.client.update(PODS, {**deep_copy(pod), "status": status}, subresource="status")


class Cluster:
    def __init__(self, client: Client, clock: LoopClock, agents: Agents, manager: ControllerManager) -> None:
        self.client = client
        self.clock = clock
        self.agents = agents
        self.manager = manager
        self.also_run: Callable[[Coroutine[object, object, None]], None]

    async def until(self, what: Callable[[], Awaitable[object]], limit_s: float = 60.0) -> float:
        """Waits for `what` to be true; gives the virtual seconds it took."""
        started = self.clock.monotonic()
        while True:
            with contextlib.suppress(ApiError):
                if await what():
                    return self.clock.monotonic() - started
            assert self.clock.monotonic() - started < limit_s, f"not within {limit_s} s"
            await self.clock.sleep(0.05)

    async def items(self, gvr, namespace: str = "default", selector: str = "") -> list[Obj]:
        return (await self.client.list(gvr, namespace, label_selector=selector))["items"]

    async def rolled_out(self, name: str) -> bool:
        deployment = await self.client.get(DEPLOYMENTS, name, "default")
        status = deployment.get("status", {})
        wanted = deployment["spec"]["replicas"]
        return (
            status.get("observedGeneration") == deployment["metadata"]["generation"]
            and [status.get(k, 0) for k in ("replicas", "updatedReplicas", "availableReplicas")]
            == [wanted] * 3
        )

    async def events(self, reason: str) -> list[str]:
        return [event["message"] for event in await self.items(EVENTS) if event["reason"] == reason]


@asynccontextmanager
async def running_cluster(clock: LoopClock, nodes: int = 3, **manager: object) -> AsyncIterator[Cluster]:
    rng = random.Random(7)
    server = api_server(clock, rng)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(server.run())]
        await server.ready()

        def client(name: str, *groups: str) -> Client:
            user = User(name, (*groups, "system:authenticated"))
            return Client(InProcessTransport(server.app, user), field_manager=name)

        admin = client("admin", "system:masters")
        for namespace in ("kube-node-lease", "default"):
            with contextlib.suppress(ApiError):
                await admin.create(NAMESPACES, {"metadata": {"name": namespace}})
        agents = Agents(client("agents", "system:masters"), clock, [f"node-{i}" for i in range(nodes)])
        tasks.append(group.create_task(agents.run()))
        controllers = ControllerManager(
            client("system:kube-controller-manager"), clock, rng, ca_bundle="PEM", **manager
        )
        tasks.append(group.create_task(controllers.run()))
        cluster = Cluster(admin, clock, agents, controllers)
        cluster.also_run = lambda work: tasks.append(group.create_task(work))
        yield cluster
        for task in reversed(tasks):
            task.cancel()


def scenario(body: Callable[[Cluster], Awaitable[None]], **options: object) -> None:
    async def main(clock: LoopClock) -> None:
        async with running_cluster(clock, **options) as cluster:
            await body(cluster)

    virtual_loop.run(main, limit_s=100_000)


def deployment(name: str = "web", replicas: int = 3, image: str = "web:1", **spec: object) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
            **spec,
        },
    }


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
        await cluster.until(lambda: _arrived(cluster))
        assert await cluster.events("ScalingReplicaSet") == [f"Scaled up replica set web-{hash_} from 0 to 3"]
        created = await cluster.events("SuccessfulCreate")
        assert sorted(created) == sorted(f"Created pod: {pod['metadata']['name']}" for pod in pods)

    scenario(body)


async def _arrived(cluster: Cluster) -> bool:
    live = await cluster.client.get(DEPLOYMENTS, "web", "default")
    return find_condition(live, "Progressing")["reason"] == "NewReplicaSetAvailable"


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


def test_deleting_a_deployment_takes_everything_with_it() -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.client.create(DEPLOYMENTS, deployment())
        await cluster.until(lambda: cluster.rolled_out("web"))
        await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation_policy="Background")
        await cluster.until(lambda: _empty(cluster, REPLICASETS, PODS))

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
        await cluster.until(lambda: _empty(cluster, DEPLOYMENTS))
        assert order == ["pod"] * 3
        assert await _empty(cluster, REPLICASETS, PODS)

    scenario(body)


def test_orphaning_deletion_keeps_the_replicaset_and_a_new_owner_adopts_it() -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.client.create(DEPLOYMENTS, deployment())
        await cluster.until(lambda: cluster.rolled_out("web"))
        (before,) = await cluster.items(REPLICASETS)
        await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation_policy="Orphan")
        await cluster.until(lambda: _empty(cluster, DEPLOYMENTS))
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
        await cluster.until(lambda: _count(cluster, PODS, "shop", 3))
        await cluster.client.delete(NAMESPACES, "shop")

        async def waits_for_finalizer() -> bool:
            namespace = await cluster.client.get(NAMESPACES, "shop")
            condition = find_condition(namespace, "NamespaceFinalizersRemaining")
            return condition is not None and condition["message"] == (
                "Some content in the namespace has finalizers remaining: example.com/mine in 1 resource instances"
            )

        await cluster.until(waits_for_finalizer)
        assert await _count(cluster, PODS, "shop", 0)
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
            lambda: _count(cluster, ENDPOINTSLICES, "default", 0, "kubernetes.io/service-name=web")
        )

    scenario(body)


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
        assert 39 <= await cluster.until(lambda: _count(cluster, PODS, "default", 3), 100) <= 45

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
        await cluster.until(lambda: _empty(cluster, DEPLOYMENTS, REPLICASETS, PODS))

    scenario(body)


def test_example_operator_is_short() -> None:
    lines = sum(len(file.read_text().splitlines()) for file in EXAMPLE.iterdir() if file.is_file())
    assert lines < 60


async def _empty(cluster: Cluster, *kinds: object) -> bool:
    return all([not await cluster.items(kind) for kind in kinds])


async def _count(cluster: Cluster, gvr: object, namespace: str, count: int, selector: str = "") -> bool:
    return len(await cluster.items(gvr, namespace, selector)) == count


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

    first = played()
    assert all(played() == first for _ in range(2))
