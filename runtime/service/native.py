"""NativeRuntime: the RuntimeService of a node with our own namespaces and cgroups.

Made by the node agent's composition root; the verbs themselves are functions in sandboxes.py,
containers.py, sessions.py and stats.py. Holds the mirror, the connection, the pod addresses and the
firewall, and starts the spawner where none runs. Losing the spawner ends the containers (see
runtime/spawner): it is started again, and the mirror shows what is left.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from random import Random

from machinery.clock import Clock
from machinery.version import VERSION
from runtime.cgroups.layout import Layout, detect
from runtime.cri import (
    Container,
    ContainerConfig,
    ContainerState,
    ContainerStats,
    ExecResult,
    ExecStream,
    ImageService,
    LinuxResources,
    RootfsProvider,
    RuntimeCondition,
    RuntimeFailure,
    Sandbox,
    SandboxConfig,
    SandboxState,
)
from runtime.events import EventBus, EventFeed
from runtime.network.firewall import Firewall
from runtime.network.ipam import AddressPool
from runtime.service import containers, sandboxes, sessions, stats
from runtime.service.connection import SpawnerConnection, SpawnerRefused
from runtime.service.launch import launch_spawner
from runtime.service.mirror import Mirror
from runtime.service.seccomp_cache import SeccompCache
from runtime.service.streams import SocketConnection

NAME = "kctl"


class NativeRuntime:
    """`directory` is the node's own (spawner's socket, records, pods' files); on a real file system or tmpfs."""

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        images: ImageService,
        rootfs: RootfsProvider,
        *,
        directory: str,
        pod_cidr: str = "",
        cluster_cidr: str = "10.244.0.0/16",
        seccomp_directory: str = "/var/lib/kubelet/seccomp",
        pool_size: int = 8,
        log_max_bytes: int = 10 << 20,
        log_max_files: int = 5,
        layout: Layout | None = None,
    ) -> None:
        self.clock = clock
        self.rng = rng
        self.images = images
        self.rootfs = rootfs
        self.directory = directory
        self.layout = layout or detect()
        self.seccomp = SeccompCache(seccomp_directory)
        self.addresses: AddressPool | None = AddressPool(pod_cidr) if pod_cidr else None
        self.firewall = Firewall(cluster_cidr)
        self.bus = EventBus()
        self.mirror = Mirror(self.bus.publish)
        self.connection = SpawnerConnection(self.mirror.take, self._on_lost)
        self._options = {
            "pool_size": pool_size,
            "log_max_bytes": log_max_bytes,
            "log_max_files": log_max_files,
        }
        self._reviving: asyncio.Task[None] | None = None
        self._is_closing = False

    # -- the runtime itself ----------------------------------------------------------------------------

    async def start(self) -> None:
        self._is_closing = False
        try:
            self.connection.open(self.directory)
        except OSError:
            await launch_spawner(self.directory, self._options)
            try:
                self.connection.open(self.directory)
            except OSError as refused:
                raise RuntimeFailure(
                    "RuntimeUnavailable", f"cannot reach the container supervisor: {refused.strerror}"
                ) from refused
        await self.connection.ask("hello", {"events": True})
        inventory, _ = await self.connection.ask("list")
        self.mirror.fill(inventory)
        await self._set_network()

    async def close(self) -> None:
        if self._reviving is not None:
            self._reviving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reviving
            self._reviving = None
        self.connection.close()
        self.bus.close()

    async def version(self) -> tuple[str, str]:
        return NAME, VERSION

    async def status(self) -> Sequence[RuntimeCondition]:
        up = self.connection.is_open
        runtime = RuntimeCondition(
            "RuntimeReady",
            up,
            "" if up else "SpawnerNotReachable",
            "" if up else "the node's container supervisor is not reachable",
        )
        has_network = self.addresses is not None
        network = RuntimeCondition(
            "NetworkReady",
            has_network,
            "" if has_network else "NetworkPluginNotReady",
            "" if has_network else "the node has no pod CIDR yet",
        )
        return (runtime, network)

    async def update_pod_cidr(self, cidr: str) -> None:
        wanted = AddressPool(cidr)
        if self.addresses is None or self.addresses.network != wanted.network:
            self.addresses = wanted
            await self._set_network()

    def events(self) -> EventFeed:
        return self.bus.subscribe()

    async def shut_down(self) -> Sequence[str]:
        """Ends every container and removes every sandbox, the bridge, the firewall table and the spawner
        itself. For taking a node down for good; returns what could not be removed."""
        self._is_closing = True  # its end is wanted: nothing is to be started again
        answer, _ = await self.connection.ask("shutdown")
        await self.close()
        await self.firewall.remove()
        return list(answer["left"])

    # -- sandboxes -------------------------------------------------------------------------------------

    async def run_pod_sandbox(self, config: SandboxConfig) -> Sandbox:
        return await sandboxes.run(self, config)

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        await sandboxes.stop(self, sandbox_id)

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        await sandboxes.remove(self, sandbox_id)

    async def pod_sandbox_status(self, sandbox_id: str) -> Sandbox:
        return self.mirror.sandbox(sandbox_id)

    async def list_pod_sandboxes(self) -> Sequence[Sandbox]:
        return tuple(self.mirror.sandboxes.values())

    async def update_sandbox_resources(self, sandbox_id: str, resources: LinuxResources) -> None:
        await sandboxes.update(self, sandbox_id, resources)

    # -- containers ------------------------------------------------------------------------------------

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        return await containers.create(self, sandbox_id, config)

    async def start_container(self, container_id: str) -> None:
        await containers.start(self, container_id)

    async def stop_container(self, container_id: str, timeout_s: float) -> None:
        await containers.stop(self, container_id, timeout_s)

    async def remove_container(self, container_id: str) -> None:
        await containers.remove(self, container_id)

    async def container_status(self, container_id: str) -> Container:
        return self.mirror.container(container_id)

    async def list_containers(self, sandbox_id: str = "") -> Sequence[Container]:
        return tuple(
            c for c in self.mirror.containers.values() if not sandbox_id or c.sandbox_id == sandbox_id
        )

    async def update_container_resources(self, container_id: str, resources: LinuxResources) -> None:
        await containers.update(self, container_id, resources)

    async def reopen_container_log(self, container_id: str) -> None:
        await self.connection.ask("reopen_log", {"id": container_id})

    async def container_stats(self, container_id: str) -> ContainerStats:
        return await stats.of_container(self, container_id)

    async def list_container_stats(self) -> Sequence[ContainerStats]:
        running = [c.id for c in self.mirror.containers.values() if c.state is ContainerState.RUNNING]
        return tuple([await stats.of_container(self, container_id) for container_id in running])

    # -- sessions --------------------------------------------------------------------------------------

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout_s: float = 0) -> ExecResult:
        return await sessions.exec_sync(self, container_id, command, timeout_s)

    def exec(
        self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> AbstractAsyncContextManager[ExecStream]:
        return sessions.exec_stream(self, container_id, command, stdin=stdin, tty=tty)

    def attach(self, container_id: str, *, stdin: bool, tty: bool) -> AbstractAsyncContextManager[ExecStream]:
        return sessions.attach(self, container_id, stdin=stdin, tty=tty)

    async def port_forward(self, sandbox_id: str, port: int) -> SocketConnection:
        return await sessions.port_forward(self, sandbox_id, port)

    # -- inside ----------------------------------------------------------------------------------------

    async def _set_network(self) -> None:
        """Bridge, addresses in use and firewall, as they ought to be now."""
        if self.addresses is None:
            return
        ready = [s for s in self.mirror.sandboxes.values() if s.state is SandboxState.READY]
        for sandbox in ready:
            for address in sandbox.ips:
                self.addresses.restore(sandbox.id, address)
        network = self.addresses.network
        await self.connection.ask(
            "set_network", {"address": self.addresses.gateway, "prefix": network.prefixlen}
        )
        self.firewall.set_pod_cidr(str(network))
        self.firewall.set_pods({s.id: (s.ips[0], s.config.port_mappings) for s in ready if s.ips})
        await self.firewall.sync()

    def _on_lost(self) -> None:
        """The spawner died: start it again; what it held has ended."""
        if not self._is_closing and (self._reviving is None or self._reviving.done()):
            self._reviving = asyncio.get_running_loop().create_task(self._revive(), name="revive-spawner")

    async def _revive(self) -> None:
        delay_s = 0.05
        while True:
            try:
                await self.start()
                return
            except (RuntimeFailure, SpawnerRefused, OSError):
                self.connection.close()
                await self.clock.sleep(delay_s)
                delay_s = min(delay_s * 2, 5.0)
