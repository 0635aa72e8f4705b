"""What the agent knows of the spawner's sandboxes and containers, and how news changes it. No I/O.

`take` is given every message of the spawner in order; each change of a container's state becomes one
event. STARTED comes once, at RUNNING; STOPPED once, at EXITED, whoever tells it first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from runtime.cri import (
    Container,
    ContainerConfig,
    ContainerEvent,
    ContainerState,
    EventType,
    NotFoundInRuntime,
    Sandbox,
    SandboxConfig,
    SandboxState,
)
from runtime.service.codec import decode

_STATES = {
    "CREATED": ContainerState.CREATED,
    "RUNNING": ContainerState.RUNNING,
    "EXITED": ContainerState.EXITED,
}
_COPIED = (
    "created_at_ns",
    "started_at_ns",
    "finished_at_ns",
    "exit_code",
    "signal",
    "reason",
    "message",
    "pid",
)


class Mirror:
    def __init__(self, publish: Callable[[ContainerEvent], None]) -> None:
        self.sandboxes: dict[str, Sandbox] = {}
        self.groups: dict[str, str] = {}  # of sandboxes and containers, by id
        self.containers: dict[str, Container] = {}
        self._publish = publish
        self._exits: dict[str, asyncio.Event] = {}
        self.exec_codes: dict[str, int] = {}
        self.exec_waiters: dict[str, asyncio.Future[int]] = {}

    # -- reading ---------------------------------------------------------------------------------------

    def sandbox(self, sandbox_id: str) -> Sandbox:
        if sandbox_id not in self.sandboxes:
            raise NotFoundInRuntime(f"sandbox {sandbox_id}")
        return self.sandboxes[sandbox_id]

    def container(self, container_id: str) -> Container:
        if container_id not in self.containers:
            raise NotFoundInRuntime(f"container {container_id}")
        return self.containers[container_id]

    async def exited(self, container_id: str) -> None:
        """Returns when it has ended or is gone."""
        container = self.containers.get(container_id)
        if container is None or container.state is ContainerState.EXITED:
            return
        await self._exits.setdefault(container_id, asyncio.Event()).wait()

    # -- news ------------------------------------------------------------------------------------------

    def take(self, message: dict[str, Any]) -> None:
        if "container" in message:
            self._update(message["container"])
        if "sandbox" in message:
            self.put_sandbox(message["sandbox"])
        if message.get("event") == "exec_exited":
            waiter = self.exec_waiters.pop(message["exec"], None)
            if waiter is None:
                self.exec_codes[message["exec"]] = message["code"]
            elif not waiter.done():
                waiter.set_result(message["code"])

    def fill(self, inventory: dict[str, Any]) -> None:
        """The whole of what the spawner holds, after (re)connecting; differences become events."""
        known = set(self.sandboxes)
        for record in inventory["sandboxes"]:
            known.discard(record["request"]["id"])
            self.put_sandbox(record)
        present = {entry["spec"]["id"] for entry in inventory["containers"]}
        for container_id in [c for c in self.containers if c not in present]:
            self.forget_container(container_id)
        for sandbox_id in sorted(known):
            self.forget_sandbox(sandbox_id)
        for entry in inventory["containers"]:
            spec = entry["spec"]
            if spec["id"] not in self.containers:
                self.put_container(spec, entry["state"])
            else:
                self._update(entry["state"])

    def put_sandbox(self, record: dict[str, Any]) -> None:
        request, state = record["request"], record["state"]
        sandbox = Sandbox(
            id=request["id"],
            config=decode(SandboxConfig, request["config"]),
            state=SandboxState.READY if state["state"] == "READY" else SandboxState.NOTREADY,
            created_at_ns=state["created_at_ns"],
            ips=(request["address"],) if request.get("address") else (),
            netns_path=state["netns"],
        )
        before = self.sandboxes.get(sandbox.id)
        self.sandboxes[sandbox.id] = sandbox
        self.groups[sandbox.id] = request["group"]
        if before is None:
            self._tell(EventType.CREATED, sandbox.id, sandbox)
            if sandbox.state is SandboxState.READY:
                self._tell(EventType.STARTED, sandbox.id, sandbox)
        elif before.state is SandboxState.READY and sandbox.state is SandboxState.NOTREADY:
            self._tell(EventType.STOPPED, sandbox.id, sandbox)

    def put_container(self, spec: dict[str, Any], state: dict[str, Any]) -> None:
        """A container seen for the first time."""
        container = Container(
            id=spec["id"],
            sandbox_id=spec["sandbox"],
            config=decode(ContainerConfig, spec["config"]),
            state=_STATES[state["state"]],
            image_id=spec["image_id"],
            image_ref=spec["image_ref"],
            log_path=spec["log_path"],
            warnings=tuple(state.get("warnings", ())),
            **{name: state[name] for name in _COPIED},
        )
        self.containers[container.id] = container
        self.groups[container.id] = spec["group"]
        self._tell_of(EventType.CREATED, container)

    def set_container_config(self, container_id: str, config: ContainerConfig) -> None:
        if container_id in self.containers:
            self.containers[container_id] = replace(self.containers[container_id], config=config)

    def set_sandbox_config(self, sandbox_id: str, config: SandboxConfig) -> None:
        if sandbox_id in self.sandboxes:
            self.sandboxes[sandbox_id] = replace(self.sandboxes[sandbox_id], config=config)

    def forget_container(self, container_id: str) -> None:
        container = self.containers.pop(container_id, None)
        if container is None:
            return
        self.groups.pop(container_id, None)
        if container.state is ContainerState.RUNNING:
            self._tell_of(EventType.STOPPED, container)
        self._wake(container_id)
        self._tell_of(EventType.DELETED, container)

    def forget_sandbox(self, sandbox_id: str) -> None:
        sandbox = self.sandboxes.pop(sandbox_id, None)
        if sandbox is not None:
            self.groups.pop(sandbox_id, None)
            self._tell(EventType.DELETED, sandbox_id, sandbox)

    def _update(self, state: dict[str, Any]) -> None:
        before = self.containers.get(state["id"])
        if before is None:
            return
        after = replace(
            before,
            state=_STATES[state["state"]],
            warnings=tuple(state.get("warnings", ())),
            **{name: state[name] for name in _COPIED},
        )
        self.containers[after.id] = after
        if before.state is ContainerState.CREATED and after.started_at_ns:
            self._tell_of(EventType.STARTED, after)
        if before.state is not ContainerState.EXITED and after.state is ContainerState.EXITED:
            self._tell_of(EventType.STOPPED, after)
            self._wake(after.id)

    def _wake(self, container_id: str) -> None:
        event = self._exits.pop(container_id, None)
        if event is not None:
            event.set()

    def _tell_of(self, kind: EventType, container: Container) -> None:
        sandbox = self.sandboxes.get(container.sandbox_id)
        uid = sandbox.config.uid if sandbox else ""
        self._publish(ContainerEvent(kind, container.id, container.sandbox_id, uid, time.time_ns()))

    def _tell(self, kind: EventType, container_id: str, sandbox: Sandbox) -> None:
        self._publish(ContainerEvent(kind, container_id, sandbox.id, sandbox.config.uid, time.time_ns()))
