"""The node agent as a whole: everything it needs comes in, everything it runs lives in `run()`.

Used by `__main__` with the real runtime, and by the simulator with fakes on a virtual loop. `app` is its
streaming server as an ASGI callable, so that an API server in the same process can call it without a socket.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from client.client import Client
from client.events import EventRecorder
from client.informer import InformerFactory
from client.logs import get_logger
from machinery.clock import Clock
from machinery.gvk import NODES, PODS, SERVICES
from nodeagent.config import AgentConfig
from nodeagent.dns import host_dns
from nodeagent.files import HostFiles
from nodeagent.network import Network
from nodeagent.node.events import NodeEvents
from nodeagent.node.eviction import Eviction
from nodeagent.node.image_gc import ImageCollector
from nodeagent.node.machine import Machine, available_memory_bytes
from nodeagent.node.registration import Registration
from nodeagent.node.status import allocatable
from nodeagent.pod.deps import Deps, NodeFacts
from nodeagent.pod.events import PodEvents
from nodeagent.pod.images import ImagePuller
from nodeagent.pod.references import References
from nodeagent.pod.tokens import Tokens
from nodeagent.pods import PodSet
from runtime.cri import ImageFailure, ImageService, RuntimeService

if TYPE_CHECKING:
    from nodeagent.server.app import NodeServer


class NodeAgent:
    def __init__(
        self,
        *,
        config: AgentConfig,
        client: Client,
        runtime: RuntimeService,
        images: ImageService,
        clock: Clock,
        rng: random.Random,
        files: HostFiles,
        network: Network,
        machine: Machine,
        log_files: HostFiles | None = None,
        available_memory: Callable[[], int] = available_memory_bytes,
        listen_port: int = 0,
    ) -> None:
        """`listen_port`: where the streaming server really listens, if not on the configured port."""
        if listen_port:
            config = replace(config, port=listen_port)
        self.config = config
        self.clock = clock
        self.runtime = runtime
        self.images = images
        self._machine = machine
        self._log = get_logger("nodeagent").bind(node=config.node_name)
        self._informers = InformerFactory(client, clock, rng)
        self._recorder = EventRecorder(client, clock, rng, "kubelet", config.node_name)
        self._services = self._informers.informer(SERVICES)
        self._pods = self._informers.informer(PODS, field_selector=f"spec.nodeName={config.node_name}")
        self._nodes = self._informers.informer(NODES, field_selector=f"metadata.name={config.node_name}")
        events = PodEvents(self._recorder)
        node_events = NodeEvents(self._recorder, config.node_name)
        self.deps = Deps(
            config=config,
            clock=clock,
            rng=rng,
            client=client,
            runtime=runtime,
            images=ImagePuller(images, clock, events),
            network=network,
            files=files,
            log_files=log_files or files,
            references=References(self._informers),
            tokens=Tokens(client, clock, rng),
            events=events,
            node=NodeFacts(host_ips=config.node_ips, memory_bytes=machine.memory_bytes),
            services=self._services.lister.list,
            log=self._log,
        )
        self.pods = PodSet(self.deps, self._pods, self._node, after=(self._services,))
        self.eviction = Eviction(
            config,
            clock,
            runtime,
            images,
            files,
            lambda: self.pods.workers,
            lambda: self.registration.status_changed(),
            self._log,
            node_events,
            available_memory,
        )
        self.registration = Registration(
            config,
            machine,
            client,
            runtime,
            images,
            clock,
            rng,
            self._log,
            node_events,
            lambda: self.eviction.pressure,
        )
        self.collector = ImageCollector(
            config,
            clock,
            images,
            lambda: [c.image_id for w in self.pods.workers.values() for c in w.view.containers],
            self._log,
        )

    @property
    def app(self) -> NodeServer:
        """The streaming server's ASGI application."""
        from nodeagent.server.app import NodeServer

        return NodeServer(self)

    def is_ready(self) -> str | None:
        """None when the node is registered and its pods are known; else what is missing. For /readyz."""
        if not self.registration.registered.is_set():
            return "the node is not registered yet"
        if not self.pods.started.is_set():
            return "the node's pods are not known yet"
        return None

    async def run(self) -> None:
        """Runs until cancelled. Containers live on."""
        await self.runtime.start()
        await self.images.start()
        if self.config.pod_cidr:
            await self.runtime.update_pod_cidr(self.config.pod_cidr)
        await self._learn_node()
        self._nodes.add_handler(
            on_add=self._node_seen,
            on_update=lambda _, node: self._node_seen(node),
            on_delete=lambda _: self.registration.lost(),
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._informers.run(), name="informers")
                group.create_task(self._recorder.run(), name="events")
                group.create_task(self.registration.run(), name="registration")
                group.create_task(self.pods.run(), name="pods")
                group.create_task(self.eviction.run(), name="eviction")
                group.create_task(self.collector.run(), name="image collector")
        finally:
            await self.runtime.close()
            await self.images.close()

    async def _learn_node(self) -> None:
        files, facts = self.deps.files, self.deps.node
        files.mount_tmpfs(str(self.config.data_dir / "memory"), mode=0o700)
        files.make_dir(str(self.config.pods_dir), 0o750)
        try:
            filesystem = await self.images.image_fs_info()
        except (ImageFailure, OSError):
            filesystem = None
        facts.allocatable = allocatable(self.config, self._machine, filesystem)
        facts.runtime_name = (await self.runtime.version())[0]
        facts.host_dns = lambda: host_dns(self._read, self.config.host_resolv_conf)
        facts.host_hosts_file = self._read("/etc/hosts")

    def _read(self, path: str) -> str:
        try:
            return self.deps.files.read(path).decode("utf-8", "replace")
        except OSError:
            return ""

    def _node(self) -> dict[str, object]:
        return self._nodes.lister.get("", self.config.node_name) or self.registration.node

    def _node_seen(self, node: dict[str, object]) -> None:
        self.registration.seen(node)
