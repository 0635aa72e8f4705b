"""All controllers against the real API server: memory backend, in-process transport, virtual time.

The agents and the scheduler are played here in a few lines: pods are bound round robin, run at once,
and die where the test says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import cache, partial

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
from machinery import virtual_loop
from machinery.clock import LoopClock, rfc3339, rfc3339_micro
from machinery.errors import ApiError, Conflict, NotFound
from machinery.gvk import (
    DEPLOYMENTS,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
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


async def arrived(cluster: Cluster) -> bool:
    live = await cluster.client.get(DEPLOYMENTS, "web", "default")
    return find_condition(live, "Progressing")["reason"] == "NewReplicaSetAvailable"


async def is_empty(cluster: Cluster, *kinds: object) -> bool:
    return all([not await cluster.items(kind) for kind in kinds])


async def has_count(cluster: Cluster, gvr: object, namespace: str, count: int, selector: str = "") -> bool:
    return len(await cluster.items(gvr, namespace, selector)) == count
