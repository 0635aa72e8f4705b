"""Driver of our runtime for runtime.py: reads {"lane", "count"} lines, prints {"seconds": [...]}; ends with its input.

Started in a network namespace of its own, so that bridge and firewall are not the machine's.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path

from benchmarks.procfs import cpu_s, cpu_with_ended_children_s, tree
from benchmarks.runtime import CGROUP
from machinery.clock import SystemClock
from runtime.cri import ContainerConfig, ContainerState, EventType, LinuxResources, SandboxConfig
from runtime.events import EventFeed
from runtime.images.commands import build_from_busybox
from runtime.images.service import LocalImages
from runtime.service.native import NativeRuntime

IMAGE = "localhost/bench:1"
LIMITS = LinuxResources(cpu_shares=102, memory_limit_bytes=64 << 20, pids_limit=100)


class Driver:
    def __init__(self, directory: Path, runtime: NativeRuntime) -> None:
        self._logs = directory / "ours" / "logs"
        self._runtime = runtime
        self._events: EventFeed = runtime.events()
        self._serial = 0

    async def sandbox(self) -> str:
        self._serial += 1
        uid = f"bench-{self._serial}"
        logs = self._logs / uid
        logs.mkdir(parents=True)
        config = SandboxConfig(
            name=uid,
            namespace="default",
            uid=uid,
            attempt=0,
            hostname=uid,
            log_directory=str(logs),
            cgroup_parent=f"{CGROUP}/ours/{uid}",
        )
        return (await self._runtime.run_pod_sandbox(config)).id

    async def container(self, sandbox: str) -> None:
        """Create, start, the exit's event, delete."""
        config = ContainerConfig(
            "main", 0, IMAGE, command=("/bin/true",), log_path="main/0.log", resources=LIMITS
        )
        container = await self._runtime.create_container(sandbox, config)
        await self._runtime.start_container(container)
        async for event in self._events:
            if event.container_id == container and event.type is EventType.STOPPED:
                break
        status = await self._runtime.container_status(container)
        if status.state is not ContainerState.EXITED or status.exit_code != 0:
            raise RuntimeError(f"/bin/true ended with {status}")
        await self._runtime.remove_container(container)

    async def pod(self) -> None:
        sandbox = await self.sandbox()
        await self.container(sandbox)
        await self._runtime.stop_pod_sandbox(sandbox)
        await self._runtime.remove_pod_sandbox(sandbox)

    async def lane(self, name: str, count: int) -> list[float]:
        sandbox = "" if name == "pod" else await self.sandbox()
        seconds = []
        for _ in range(count):
            if name == "paused":
                await asyncio.sleep(0.1)
            started = time.perf_counter()
            await (self.pod() if name == "pod" else self.container(sandbox))
            seconds.append(time.perf_counter() - started)
        if sandbox:
            await self._runtime.stop_pod_sandbox(sandbox)
            await self._runtime.remove_pod_sandbox(sandbox)
        return seconds


def _cpu_s(spawner: int) -> float:
    """Of this process, the spawner with its helpers, and the containers that have ended."""
    return cpu_s(os.getpid()) + sum(cpu_with_ended_children_s(pid) for pid in tree([spawner]))


async def run(directory: Path) -> None:
    clock = SystemClock()
    store = directory / "ours" / "images"
    build_from_busybox(store, IMAGE, now=clock.now())
    images = LocalImages(store, clock, node_root=directory / "ours" / "containers")
    await images.start()
    runtime = NativeRuntime(
        clock,
        random.Random(),
        images,
        images,
        directory=str(directory / "ours" / "runtime"),
        pod_cidr="10.244.250.0/24",
    )
    await runtime.start()
    try:
        driver = Driver(directory, runtime)
        spawner = int((directory / "ours" / "runtime" / "spawner.lock").read_text())
        while line := await asyncio.to_thread(sys.stdin.readline):
            job = json.loads(line)
            before = _cpu_s(spawner)
            seconds = await driver.lane(job["lane"], job["count"])
            print(json.dumps({"seconds": seconds, "cpu_s": _cpu_s(spawner) - before}), flush=True)
    finally:
        for left in await runtime.shut_down():
            print(f"left behind: {left}", file=sys.stderr)
        await images.close()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
