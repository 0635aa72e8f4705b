"""Keeps this node's Node object and Lease: registers, reports, beats. Source: kubelet node status, KEP-589.

The status is written when something in it changed, else every five minutes; the Lease every ten seconds is what
tells the control plane that the node lives.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from client.client import Client
from client.logs import Logger
from client.transport import TransportError
from machinery.backoff import delay_s
from machinery.clock import Clock, rfc3339_micro
from machinery.errors import AlreadyExists, ApiError, Conflict, NotFound
from machinery.gvk import LEASES, NODES
from machinery.patch import merge
from nodeagent.config import AgentConfig
from nodeagent.node.events import NodeEvents
from nodeagent.node.machine import Machine
from nodeagent.node.status import NodeReading, is_same_status, new_node, node_labels, node_status
from runtime.cri import (
    FilesystemUsage,
    ImageFailure,
    ImageService,
    RuntimeCondition,
    RuntimeFailure,
    RuntimeService,
)

Obj = dict[str, Any]
LEASE_NAMESPACE = "kube-node-lease"
STATUS_TRIES = 5  # as often as a kubelet writes a status that others write, too


class Registration:
    """`node` is the object as the server last showed it. `registered` is set once it exists and is reported."""

    def __init__(
        self,
        config: AgentConfig,
        machine: Machine,
        client: Client,
        runtime: RuntimeService,
        images: ImageService,
        clock: Clock,
        rng: random.Random,
        log: Logger,
        events: NodeEvents,
        pressure: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self.node: Obj = new_node(config, machine)
        self.registered = asyncio.Event()
        self._config = config
        self._machine = machine
        self._client = client
        self._runtime = runtime
        self._images = images
        self._clock = clock
        self._rng = rng
        self._log = log
        self._events = events
        self._pressure = pressure
        self._changed = asyncio.Event()
        self._reported_at = float("-inf")
        self._lease: Obj | None = None

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._persist("the node could not be registered", self._register)
        await self._persist("the node's status could not be reported", self._report)
        self.registered.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat(), name="lease")
            group.create_task(self._keep_status(), name="node status")

    def status_changed(self) -> None:
        """Look again now: a pressure came or went."""
        self._changed.set()

    def seen(self, node: Obj) -> None:
        """News from the watch."""
        self.node = node

    def lost(self) -> None:
        """Somebody deleted the node, or the cluster forgot it. The next beat reports whether or not there is news,
        and so finds out, and registers it again."""
        self._reported_at = float("-inf")

    async def _keep_status(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._config.heartbeat_s):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                await self._report()
            except NotFound:
                await self._persist("the node could not be registered again", self._register)
            except (ApiError, TransportError) as error:
                self._log.warning("the node's status could not be reported", why=str(error))

    async def _beat(self) -> None:
        while True:
            try:
                await self._renew_lease()
            except (ApiError, TransportError) as error:
                self._lease = None
                self._log.warning("the node's lease could not be renewed", why=str(error))
            jitter = 0.04 * self._rng.random() * self._config.heartbeat_s
            await self._clock.sleep(self._config.heartbeat_s + jitter)

    async def _register(self) -> None:
        wanted = new_node(self._config, self._machine)
        try:
            self.node = await self._client.create(NODES, wanted)
            return
        except AlreadyExists:
            self.node = await self._client.get(NODES, self._config.node_name)
        labels = node_labels(self._config, self._machine)
        known = self.node["metadata"].get("labels") or {}
        patch: Obj = {}
        if any(known.get(key) != value for key, value in labels.items()):
            patch["metadata"] = {"labels": labels}
        if self._config.pod_cidr and not (self.node.get("spec") or {}).get("podCIDR"):
            patch["spec"] = wanted["spec"]
        if patch:
            self.node = await self._client.patch(NODES, self._config.node_name, patch, type="merge")

    async def _report(self) -> None:
        reading = await self._read()
        for left in reversed(range(STATUS_TRIES)):
            try:
                await self._report_what(reading)
                return
            except Conflict:
                if not left:
                    raise

    async def _report_what(self, reading: NodeReading) -> None:
        """Others write conditions and extended resources into the same status: it is read anew, only what differs is written,
        and nothing over what came in between. Raises Conflict then."""
        self.node = await self._client.get(NODES, self._config.node_name)
        old = self.node.get("status") or {}
        now = self._clock.now()
        status = node_status(self._config, self._machine, reading, old, now)
        if is_same_status(old, status) and now - self._reported_at < self._config.status_report_s:
            return
        patch = {
            "metadata": {"resourceVersion": self.node["metadata"]["resourceVersion"]},
            "status": merge.diff({key: old[key] for key in status if key in old}, status),
        }
        self.node = await self._client.patch(
            NODES, self._config.node_name, patch, type="merge", subresource="status"
        )
        self._reported_at = now
        self._events.conditions(old.get("conditions") or (), status["conditions"])

    async def _read(self) -> NodeReading:
        filesystem: FilesystemUsage | None = None
        name, version = "kctl", "0"
        try:
            name, version = await self._runtime.version()
            conditions = tuple(await self._runtime.status())
        except RuntimeFailure as error:
            conditions = (
                RuntimeCondition("RuntimeReady", False, error.reason, f"container runtime is down: {error}"),
            )
        images = await self._images.list_images()
        try:
            filesystem = await self._images.image_fs_info()
        except (ImageFailure, OSError) as error:
            self._log.warning("the image file system could not be read", why=str(error))
        return NodeReading(conditions, tuple(images), filesystem, self._pressure(), name, version)

    async def _renew_lease(self) -> None:
        stamp = rfc3339_micro(self._clock.now())
        name = self._config.node_name
        if self._lease is None:
            try:
                self._lease = await self._client.get(LEASES, name, LEASE_NAMESPACE)
            except NotFound:
                self._lease = await self._client.create(LEASES, self._new_lease(stamp), LEASE_NAMESPACE)
                return
        patch = {
            "spec": {
                "renewTime": stamp,
                "holderIdentity": name,
                "leaseDurationSeconds": self._config.lease_duration_s,
            }
        }
        await self._client.patch(LEASES, name, patch, LEASE_NAMESPACE, type="merge")

    def _new_lease(self, stamp: str) -> Obj:
        owner = {
            "apiVersion": "v1",
            "kind": "Node",
            "name": self._config.node_name,
            "uid": self.node["metadata"].get("uid", ""),
        }
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._config.node_name,
                "namespace": LEASE_NAMESPACE,
                "ownerReferences": [owner],
            },
            "spec": {
                "holderIdentity": self._config.node_name,
                "leaseDurationSeconds": self._config.lease_duration_s,
                "renewTime": stamp,
            },
        }

    async def _persist(self, failure: str, step: Any) -> None:
        """Tries until it is done: a node that is not registered can do nothing else."""
        failures = 0
        while True:
            try:
                await step()
                return
            except (ApiError, TransportError) as error:
                wait = delay_s(failures, 0.1, 7.0, jitter=0.2, chance=self._rng.random())
                self._log.warning(failure, why=str(error), again_in_s=round(wait, 2))
                failures += 1
                await self._clock.sleep(wait)
