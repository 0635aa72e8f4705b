"""Who may die without whom: agent, spawner, containers; and that nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from runtime_worlds import NEEDS_ROOT, World, run_native

from runtime.cri import ContainerState, EventType, Namespaces, RuntimeFailure, SandboxState
from runtime.linux.netlink import Netlink
from runtime.service.native import NativeRuntime

pytestmark = [pytest.mark.node, NEEDS_ROOT]
Run = Callable[[Any], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return lambda body: run_native(body, tmp_path)


def second_agent(world: World) -> NativeRuntime:
    """Another agent on the same node, as after a restart."""
    first: Any = world.runtime
    return NativeRuntime(
        world.clock, Random(), first.images, first.rootfs, directory=first.directory, pod_cidr="10.88.1.0/24"
    )


def spawner_pid(world: World) -> int:
    runtime: Any = world.runtime
    return int((Path(runtime.directory) / "spawner.lock").read_text())


def test_agent_that_vanishes_leaves_containers_running_and_the_next_one_finds_them(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        running = await world.start(sandbox, "sh", "-c", "while [ ! -e /go ]; do sleep 0.02; done; exit 5")
        quick = await world.start(sandbox, "sh", "-c", "sleep 0.1; exit 6", name="q", log_path="q/0.log")
        before = await world.runtime.container_status(running)
        first: Any = world.runtime
        first.connection.close()  # as if it were killed: no goodbye
        await world.clock.sleep(0.3)
        second = second_agent(world)
        await second.start()
        found = await second.container_status(running)
        assert found == before
        assert _is_alive(found.pid)
        ended = await second.container_status(quick)  # ended while nobody looked
        assert (ended.state, ended.exit_code) == (ContainerState.EXITED, 6)
        events = second.events()
        await second.exec_sync(running, ["touch", "/go"])
        async with asyncio.timeout(5):
            async for event in events:
                if event.type is EventType.STOPPED:
                    break
        assert (await second.container_status(running)).exit_code == 5
        address = (await second.pod_sandbox_status(sandbox.id)).ips
        assert address == sandbox.ips
        other = await second.run_pod_sandbox(world.sandbox_config())
        assert other.ips != sandbox.ips
        await second.close()

    run(body)


def test_killed_spawner_takes_its_containers_along_and_they_are_told_as_killed(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        container = await world.start(sandbox, "sleep", "1000")
        pid = (await world.runtime.container_status(container)).pid
        events = world.runtime.events()
        os.kill(spawner_pid(world), signal.SIGKILL)
        async with asyncio.timeout(10):
            async for event in events:
                if event.type is EventType.STOPPED and event.container_id == container:
                    break
        status = await world.runtime.container_status(container)
        assert (status.state, status.exit_code) == (ContainerState.EXITED, 137)
        assert "supervisor" in status.message
        assert not _is_alive(pid)
        assert (await world.runtime.pod_sandbox_status(sandbox.id)).state is SandboxState.NOTREADY
        again = await world.sandbox()  # the node goes on
        assert (await world.ended(await world.start(again, "true"))).exit_code == 0
        await world.runtime.remove_pod_sandbox(sandbox.id)

    run(body)


def test_nothing_is_left_after_removal(run: Run) -> None:
    async def body(world: World) -> None:
        warm = await world.sandbox()
        await world.runtime.remove_pod_sandbox(warm.id)
        await world.clock.sleep(0.3)
        before = await _traces(world)
        sandboxes = [
            await world.sandbox(),
            await world.sandbox(namespaces=Namespaces(pid="POD")),
            await world.sandbox(namespaces=Namespaces(host_network=True, pid="NODE")),
        ]
        for sandbox in sandboxes:
            await world.start(sandbox, "sh", "-c", "sleep 1000 & sleep 1000 & wait")
            await world.ended(await world.start(sandbox, "false", name="f", log_path="f/0.log"))
        extra = await world.runtime.create_container(sandboxes[0].id, world.container_config("true"))
        assert extra
        for sandbox in sandboxes:
            await world.runtime.remove_pod_sandbox(sandbox.id)
        async with asyncio.timeout(10):
            while (after := await _traces(world)) != before:
                await world.clock.sleep(0.05)
        assert after == before

    run(body)


async def _traces(world: World) -> dict[str, Any]:
    """What the kernel holds for this node; the pool's own stock counts as constant."""
    return await asyncio.to_thread(_read_traces, world)


def _read_traces(world: World) -> dict[str, Any]:
    runtime: Any = world.runtime
    pid = spawner_pid(world)
    netlink = Netlink()
    links = len(netlink.link_names())
    netlink.close()
    groups = [
        str(path)
        for root in dict.fromkeys([*runtime.layout.v1.values(), runtime.layout.v2])
        if root
        for path in Path(root).glob("kctl/pods/*")
    ]
    return {
        "children": len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()),
        "fds": len(os.listdir(f"/proc/{pid}/fd")),
        "mounts": [m for m in Path("/proc/self/mounts").read_text().splitlines() if runtime.directory in m],
        "links": links,
        "groups": groups,
        "records": sorted(p.name for p in Path(runtime.directory).glob("*/*.json*")),
        "pods": os.listdir(Path(runtime.directory) / "pods"),
        "layers": [p.name for p in (world.logs / "images/layers").glob("*")],
    }


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_more_starts_at_once_than_children_stand_ready_all_succeed(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()

        async def one(number: int) -> int:
            name = f"c{number}"
            container = await world.start(
                sandbox, "sh", "-c", f"exit {number}", name=name, log_path=f"{name}/0.log"
            )
            return (await world.ended(container)).exit_code

        assert await asyncio.gather(*(one(number) for number in range(12))) == list(range(12))

    run(body)


def test_pod_stopped_while_its_containers_start_leaves_none_running(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        made = [
            await world.runtime.create_container(
                sandbox.id, world.container_config("sleep", "60", name=f"c{n}", log_path=f"c{n}/0.log")
            )
            for n in range(8)
        ]
        starts = [asyncio.ensure_future(world.runtime.start_container(container)) for container in made]
        await asyncio.sleep(0)
        await world.runtime.stop_pod_sandbox(sandbox.id)
        results = await asyncio.gather(*starts, return_exceptions=True)
        assert all(r is None or isinstance(r, RuntimeFailure) for r in results)
        for container in made:
            ended = await world.ended(container)
            assert ended.exit_code in (128, 137) and not ended.pid

    run(body)


def test_pods_files_stand_in_memory_and_their_file_system_goes_with_the_node(
    run: Run, tmp_path: Path
) -> None:
    def mounts() -> str:
        return Path("/proc/mounts").read_text()

    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        pods = f"{tmp_path}/node/pods"
        assert os.stat(f"{pods}/{sandbox.id}/resolv.conf").st_dev != os.stat(tmp_path).st_dev
        assert f"{pods} tmpfs" in mounts()

    run(body)
    assert str(tmp_path) not in mounts()
