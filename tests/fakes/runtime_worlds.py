"""Worlds for runtime tests: a started runtime, fake or native, with short ways to ask it for usual things."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from busybox_images import BUSYBOX, BusyboxImages

from machinery import virtual_loop
from machinery.clock import Clock, SystemClock
from runtime.cri import (
    Container,
    ContainerConfig,
    ContainerState,
    RuntimeService,
    Sandbox,
    SandboxConfig,
)
from runtime.fake import FakeImages, FakeRuntime
from runtime.service.native import NativeRuntime

NEEDS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists(BUSYBOX), reason="needs root and /bin/busybox (busybox-static)"
)
IMAGE = "registry.example/busybox:1"
Body = Callable[["World"], Awaitable[Any]]


@dataclass
class World:
    """A started runtime, the clock it lives on, and short ways to ask it for usual things."""

    name: str
    runtime: RuntimeService
    clock: Clock
    logs: Path
    serial: list[int] = field(default_factory=lambda: [0])

    def sandbox_config(self, **changes: Any) -> SandboxConfig:
        self.serial[0] += 1
        uid = f"uid-{self.serial[0]}"
        directory = self.logs / uid
        directory.mkdir()
        config = SandboxConfig(
            name=f"pod-{self.serial[0]}",
            namespace="default",
            uid=uid,
            attempt=0,
            hostname=f"pod-{self.serial[0]}",
            log_directory=str(directory),
            labels={"app": "contract"},
        )
        return replace(config, **changes)

    def container_config(self, *command: str, **changes: Any) -> ContainerConfig:
        config = ContainerConfig(name="main", attempt=0, image=IMAGE, command=command, log_path="main/0.log")
        return replace(config, **changes)

    async def sandbox(self, **changes: Any) -> Sandbox:
        return await self.runtime.run_pod_sandbox(self.sandbox_config(**changes))

    async def start(self, sandbox: Sandbox, *command: str, **changes: Any) -> str:
        container_id = await self.runtime.create_container(
            sandbox.id, self.container_config(*command, **changes)
        )
        await self.runtime.start_container(container_id)
        return container_id

    async def ended(self, container_id: str, within_s: float = 10) -> Container:
        async with asyncio.timeout(within_s):
            while True:
                status = await self.runtime.container_status(container_id)
                if status.state is ContainerState.EXITED:
                    return status
                await self.clock.sleep(0.01)

    def printed(self, container: Container) -> str:
        """Everything in a container's log, without time and tags."""
        lines = Path(container.log_path).read_text().splitlines()
        return "\n".join(line.split(" ", 3)[3] for line in lines)

    def log_of(self, sandbox: Sandbox) -> list[str]:
        text = (Path(sandbox.config.log_directory) / "main/0.log").read_text()
        return [line.split(" ", 3)[3] for line in text.splitlines()]


def run_fake(body: Body, tmp_path: Path) -> None:
    async def main(clock: Clock) -> None:
        images = FakeImages(clock)
        images.preload(IMAGE)
        runtime = FakeRuntime(clock, Random(1), images, pod_cidr="10.88.1.0/24")
        await runtime.start()
        await body(World("fake", runtime, clock, tmp_path))
        await runtime.close()

    virtual_loop.run(main)


def run_native(body: Body, tmp_path: Path, **options: Any) -> None:
    """A node of its own: new network namespace, state below tmp_path; nothing may be left of it."""
    from runtime.linux.constants import CLONE_NEWNET
    from runtime.linux.syscalls import LinuxSyscalls

    async def main() -> None:
        clock = SystemClock()
        images = BusyboxImages(tmp_path / "images", IMAGE)
        await images.start()
        runtime = NativeRuntime(
            clock,
            Random(),
            images,
            images,
            directory=str(tmp_path / "node"),
            pod_cidr="10.88.1.0/24",
            pool_size=2,
            **options,
        )
        await runtime.start()
        try:
            async with asyncio.timeout(50):
                await body(World("native", runtime, clock, tmp_path))
        finally:
            if not runtime.connection.is_open:
                await runtime.start()
            assert await runtime.shut_down() == []

    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    syscalls = LinuxSyscalls()
    syscalls.unshare(CLONE_NEWNET)
    try:
        asyncio.run(main())
    finally:
        syscalls.setns(own, CLONE_NEWNET)
        os.close(own)
        log = tmp_path / "node/spawner.log"
        said = log.read_text() if log.exists() else ""
    assert said == "", said


RUNNERS: dict[str, Callable[[Body, Path], None]] = {"fake": run_fake, "native": run_native}
