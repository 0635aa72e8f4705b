"""The whole cluster in one process, on one event loop, on a clock that jumps: API server, scheduler, controllers
and node agents as they are, over memory, in-process calls and a fake runtime.

    async def scenario(cluster: Simulation) -> None:
        await cluster.client.create(DEPLOYMENTS, deployment)
        await cluster.wait(lambda: cluster.ready_pods("default") == 3)
        await cluster.clock.sleep(600)
        cluster.power_off("node-1")
        ...

    simulate(scenario, nodes=3, seed=7)

Nothing here stands for a component: only what is below them is exchanged (backend, transport, runtime, clock,
chance). So what holds here holds for the real thing as far as it does not depend on the kernel. The same seed
gives the same history, event for event.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2s
from pathlib import PurePosixPath
from typing import Any, TypeVar

import orjson

from apiserver.auth.signing import TokenSigner
from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.composition import make_admission, make_cacher, resources_of
from apiserver.guard import rbac_guard
from apiserver.http.reply import Receive, Scope, Send
from apiserver.server import ApiServer, Parts
from client.client import Client
from client.events import EventRecorder
from client.informer import InformerFactory
from client.inprocess import InProcessTransport
from controllers.component import ControllerManager
from machinery import virtual_loop
from machinery.clock import LoopClock
from machinery.gvk import NAMESPACES, NODES, PODS
from nodeagent.component import NodeAgent
from nodeagent.config import AgentConfig
from nodeagent.files_memory import MemoryFiles
from nodeagent.network import SimulatedNetwork
from nodeagent.node.machine import Machine
from runtime.fake import FakeRuntime
from runtime.fake_images import FakeImages
from scheduler.component import Scheduler
from scheduler.profile import default_profile
from standalone.config import CLUSTER_DNS
from standalone.inprocess_nodes import InProcessNodes
from standalone.simulated_way import SimulatedWay

Obj = dict[str, Any]
T = TypeVar("T")
EPOCH_S = 1_767_225_600.0  # 2026-01-01T00:00:00Z
# No TLS in here, but pods mount the CA's bundle and controllers publish it.
_CA_BUNDLE = "-----BEGIN CERTIFICATE-----\nsimulated\n-----END CERTIFICATE-----\n"
_ADMIN = User("kubernetes-admin", ("system:masters", "system:authenticated"))


@dataclass(slots=True)
class SimulatedNode:
    """A node that is switched on: its agent, and the fake world below it."""

    name: str
    index: int
    agent: NodeAgent
    runtime: FakeRuntime
    images: FakeImages
    files: MemoryFiles
    network: SimulatedNetwork
    task: asyncio.Task[None]


class Simulation:
    """Made by `simulate` or `running`; a scenario only uses it."""

    def __init__(self, clock: LoopClock, seed: int) -> None:
        self.clock = clock
        self.seed = seed
        self.nodes: dict[str, SimulatedNode] = {}
        self.history: list[tuple[int, str, bool, bytes]] = []  # revision, key, deleted, value
        self._connector = InProcessNodes()
        self.backend = MemoryBackend()
        self.server = self._make_server()
        self.client = self.client_as(_ADMIN)
        self._recorded = 0
        self._group: asyncio.TaskGroup | None = None
        self._started = asyncio.Event()
        self._news = asyncio.Event()

    def _make_server(self) -> ApiServer:
        backend, clock = self.backend, self.clock
        return ApiServer(
            Parts(
                backend=backend,
                clock=clock,
                rng=self._rng("apiserver"),
                make_store=lambda resource: make_cacher(
                    backend, resource, clock, self._rng(f"store/{resource.storage_prefix}")
                ),
                make_guard=partial(
                    rbac_guard,
                    signer=TokenSigner(_signing_key(), "https://kubernetes.default.svc.cluster.local"),
                    clock=clock,
                    rng=self._rng("guard"),
                    make_admission=make_admission,
                ),
                connector=self._connector,
                resources_of=resources_of,
            )
        )

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Whichever server there is now."""
        await self.server.app(scope, receive, send)

    def _rng(self, who: str) -> random.Random:
        """Chance of its own for each component: adding one does not change what the others draw."""
        return random.Random(f"{self.seed}/{who}")

    def client_as(self, user: User, *, manager: str = "") -> Client:
        """Without a way between: what a scenario asks is answered at the same moment."""
        return Client(InProcessTransport(self._app, user), user_agent=user.name, field_manager=manager)

    def _component(self, user: User, *, manager: str) -> Client:
        """The client of a component, whose requests take a moment."""
        way = SimulatedWay(
            InProcessTransport(self._app, user), self.clock, self._rng(f"the way of {user.name}")
        )
        return Client(way, user_agent=user.name, field_manager=manager)

    # -- parts -------------------------------------------------------------------------------------------

    async def run(self, nodes: int) -> None:
        """Runs all parts until cancelled."""
        async with asyncio.TaskGroup() as group:
            await self._start(group, nodes)
            self._started.set()

    async def started(self) -> None:
        """Returns when every part has been started; nodes register by themselves."""
        await self._started.wait()

    async def _start(self, group: asyncio.TaskGroup, nodes: int) -> None:
        self._group = group
        await self._start_server(group)
        self._start_scheduler(group)
        manager = ControllerManager(
            self._component(
                User("system:kube-controller-manager", ("system:authenticated",)),
                manager="kube-controller-manager",
            ),
            self.clock,
            self._rng("controllers"),
            ca_bundle=_CA_BUNDLE,
        )
        group.create_task(manager.run(), name="controllers")
        for index in range(1, nodes + 1):
            self.add_node(f"node-{index}")

    async def _start_server(self, group: asyncio.TaskGroup) -> None:
        self._serving = group.create_task(self.server.run(), name="apiserver")
        await self.server.settled()
        group.create_task(self._record(), name="history")

    async def restart_api_server(self, *, forgetting: bool = False) -> None:
        """Ends it in the midst of everything and starts it again; `forgetting`: with an empty store, whose revisions
        begin anew. Returns when it serves."""
        assert self._group is not None
        serving = self._serving
        serving.cancel()
        await asyncio.wait({serving})
        if forgetting:
            self.backend, self._recorded = MemoryBackend(), 0
        self.server = self._make_server()
        await self._start_server(self._group)

    def _start_scheduler(self, group: asyncio.TaskGroup) -> None:
        rng = self._rng("scheduler")
        client = self._component(
            User("system:kube-scheduler", ("system:authenticated",)), manager="kube-scheduler"
        )
        informers = InformerFactory(client, self.clock, rng)
        recorder = EventRecorder(client, self.clock, rng, "default-scheduler")
        namespaces = informers.informer(NAMESPACES)

        def labels(name: str) -> dict[str, str]:
            return (namespaces.lister.get("", name) or {}).get("metadata", {}).get("labels") or {}

        profile = default_profile(client, labels)
        scheduler = Scheduler(client, informers, profile, self.clock, rng, recorder)
        for part in (informers.run, recorder.run, scheduler.run):
            group.create_task(part(), name="scheduler")

    def add_node(self, name: str, *, machine: Machine | None = None, **config: Any) -> SimulatedNode:
        """Switches a node on. `config` are fields of AgentConfig. Images need no registry: any name can be pulled."""
        assert self._group is not None
        index = len(self.nodes) + 1
        rng, cidr = self._rng(name), f"10.244.{index}.0/24"
        images = FakeImages(self.clock)
        files, network = MemoryFiles(), SimulatedNetwork()
        runtime = FakeRuntime(self.clock, rng, images, pod_cidr=cidr)
        user = User(f"system:node:{name}", ("system:nodes", "system:authenticated"))
        agent = NodeAgent(
            config=AgentConfig(
                node_name=name,
                data_dir=PurePosixPath("/var/lib/kctl"),
                node_ips=(f"10.99.0.{10 + index}",),
                hostname=name,
                pod_cidr=cidr,
                **{"cluster_dns": (CLUSTER_DNS,), **config},
            ),
            client=self._component(user, manager="kubelet"),
            runtime=runtime,
            images=images,
            clock=self.clock,
            rng=rng,
            files=files,
            network=network,
            machine=machine or Machine(),
            available_memory=lambda: (machine or Machine()).memory_bytes // 2,
        )
        task = self._group.create_task(_until_off(agent), name=name)
        node = SimulatedNode(name, index, agent, runtime, images, files, network, task)
        self.nodes[name] = node
        self._connector.apps[name] = lambda: agent.app
        return node

    def power_off(self, name: str) -> None:
        """The machine is gone from one moment to the next: no last word to the API server."""
        node = self.nodes.pop(name)
        self._connector.apps.pop(name, None)
        node.task.cancel()

    async def _record(self) -> None:
        async with self.backend.watch("/registry/", self._recorded) as changes:
            async for batch in changes:
                for change in batch:
                    kv = change.kv
                    self._recorded = kv.mod_revision
                    self.history.append((kv.mod_revision, kv.key, change.deleted, kv.value))
                self._news.set()

    # -- for scenarios -----------------------------------------------------------------------------------

    async def wait(
        self, check: Callable[[], Awaitable[T]], *, timeout_s: float = 300.0, step_s: float = 10.0
    ) -> T:
        """Waits until `check()` gives something true, which is returned; asks after every write to the store, and
        every `step_s` for what no write tells. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not (result := await check()):
                self._news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), step_s)
            return result

    async def pods(self, namespace: str = "default", selector: str = "") -> list[Obj]:
        answer = await self.client.list(PODS, namespace, label_selector=selector)
        items: list[Obj] = answer["items"]
        return items

    async def ready_pods(self, namespace: str = "default", selector: str = "") -> list[Obj]:
        return [pod for pod in await self.pods(namespace, selector) if is_condition_true(pod, "Ready")]

    async def wait_ready_pods(
        self, count: int, namespace: str = "default", selector: str = "", **limits: Any
    ) -> list[Obj]:
        async def enough() -> list[Obj]:
            ready = await self.ready_pods(namespace, selector)
            return ready if len(ready) == count else []

        return await self.wait(enough, **limits)

    async def wait_nodes_ready(self, count: int) -> None:
        async def enough() -> bool:
            nodes = (await self.client.list(NODES))["items"]
            return sum(is_condition_true(node, "Ready") for node in nodes) >= count

        await self.wait(enough)

    def digest(self) -> str:
        """A fingerprint of everything that was ever written, in order."""
        text = orjson.dumps([(r, k, d, v.decode()) for r, k, d, v in self.history])
        return blake2s(text).hexdigest()


def is_condition_true(obj: Obj, kind: str) -> bool:
    conditions = obj.get("status", {}).get("conditions") or ()
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


async def _until_off(agent: NodeAgent) -> None:
    """A node that is switched off must not end the cluster's task group."""
    with suppress(asyncio.CancelledError):
        await agent.run()


_key: list[bytes] = []


def _signing_key() -> bytes:
    """One key per process: tokens are not part of the history, and making keys takes time."""
    if not _key:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        _key.append(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return _key[0]


@asynccontextmanager
async def running(nodes: int = 1, seed: int = 0) -> AsyncIterator[Simulation]:
    """A cluster on the running loop, for as long as the block lasts."""
    clock = LoopClock(asyncio.get_running_loop(), EPOCH_S)
    simulation = Simulation(clock, seed)
    async with asyncio.TaskGroup() as group:
        cluster = group.create_task(simulation.run(nodes), name="cluster")
        await simulation.started()
        await simulation.wait_nodes_ready(nodes)
        yield simulation
        cluster.cancel()


def simulate(scenario: Callable[[Simulation], Awaitable[T]], *, nodes: int = 1, seed: int = 0) -> T:
    """Runs `scenario` against a fresh cluster on a virtual clock; returns what it returns, raises what it raises."""

    async def main() -> T:
        async with running(nodes, seed) as cluster:
            return await scenario(cluster)

    with _rare_collection():
        try:
            return virtual_loop.run(main(), epoch_s=EPOCH_S)
        except BaseExceptionGroup as group:
            raise _only_cause(group) from None


@contextmanager
def _rare_collection() -> Iterator[None]:
    """As in the processes: what is stored are bytes without references, and looking at all that is imported again and
    again is a sixth of a scenario's time."""
    before = gc.get_threshold()
    gc.set_threshold(20_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _only_cause(error: BaseException) -> BaseException:
    """A scenario's failed assertion comes out as itself, not wrapped in the task groups around it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
