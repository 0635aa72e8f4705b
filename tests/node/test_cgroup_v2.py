"""On a host with nothing but cgroup v2 (as in `make vm-test`): where processes stand, what bounds them, how they go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runtime_worlds import NEEDS_ROOT, World, run_native

from runtime.cgroups.layout import detect
from runtime.cri import LinuxResources

pytestmark = [
    pytest.mark.node,
    NEEDS_ROOT,
    pytest.mark.skipif(
        detect().mode != "v2", reason="this host has cgroup v1 hierarchies; `make vm-test` has none"
    ),
]
ROOT = Path("/sys/fs/cgroup")
POD = "/kctl-test-v2/pod1"


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Any], None]:
    return lambda body: run_native(body, tmp_path)


def group_of(world: World, container: str) -> Path:
    runtime: Any = world.runtime
    return ROOT / runtime.mirror.groups[container].lstrip("/")


def read(path: Path) -> str:
    return path.read_text().strip()


def test_limits_stand_in_the_unified_files(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        limits = LinuxResources(
            cpu_shares=512,
            cpu_period_us=100_000,
            cpu_quota_us=50_000,
            memory_limit_bytes=64 << 20,
            pids_limit=12,
            cpuset_cpus="0",
        )
        group = group_of(world, await world.start(await world.sandbox(), "sleep", "100", resources=limits))
        files = (
            "cpu.weight",
            "cpu.max",
            "memory.max",
            "memory.swap.max",
            "memory.oom.group",
            "pids.max",
            "cpuset.cpus",
        )
        present = {name: read(group / name) for name in files if (group / name).exists()}
        assert present.pop("memory.swap.max", "0") == "0"  # absent in a kernel without swap accounting
        assert present == {
            "cpu.weight": "20",
            "cpu.max": "50000 100000",
            "memory.max": str(64 << 20),
            "memory.oom.group": "1",
            "pids.max": "12",
            "cpuset.cpus": "0",
        }

    run(body)


def test_only_leaves_hold_processes_and_parents_pass_controllers_on(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox(
            resources=LinuxResources(memory_limit_bytes=64 << 20), cgroup_parent=POD
        )
        group = group_of(world, await world.start(sandbox, "sleep", "100"))
        assert read(group / "cgroup.procs")
        for parent in list(group.parents)[:-4]:
            if parent == ROOT:
                break
            assert read(parent / "cgroup.procs") == "", f"{parent} holds processes of its own"
            assert {"cpu", "memory", "pids"} <= set(read(parent / "cgroup.subtree_control").split())

    run(body)


def test_a_command_joins_the_containers_group_and_sees_it_as_the_root(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        container = await world.start(await world.sandbox(), "sleep", "100")
        seen = await world.runtime.exec_sync(container, ["cat", "/proc/self/cgroup"])
        assert seen.stdout.strip() == b"0::/"
        procs = await world.runtime.exec_sync(container, ["sh", "-c", "wc -l < /sys/fs/cgroup/cgroup.procs"])
        assert int(procs.stdout) >= 2  # its own process as well as the container's

    run(body)


def test_container_cannot_lift_its_own_limits(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        limits = LinuxResources(memory_limit_bytes=32 << 20)
        container = await world.start(await world.sandbox(), "sleep", "100", resources=limits)
        for file, value in (
            ("memory.max", "max"),
            ("cgroup.procs", "1"),
            ("cgroup.subtree_control", "+memory"),
        ):
            denied = await world.runtime.exec_sync(
                container, ["sh", "-c", f"echo {value} > /sys/fs/cgroup/{file}"]
            )
            assert denied.exit_code != 0, file
            assert b"ead-only" in denied.stderr, (file, denied.stderr)

    run(body)


def test_an_out_of_memory_kill_takes_the_whole_container(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        container = await world.start(
            await world.sandbox(),
            "sh",
            "-c",
            "sleep 1000 & dd if=/dev/zero of=/dev/null bs=200M count=1; echo survived; sleep 1000",
            resources=LinuxResources(memory_limit_bytes=16 << 20),
        )
        ended = await world.ended(container)
        assert (ended.reason, ended.exit_code) == ("OOMKilled", 137)
        assert "survived" not in world.printed(ended)

    run(body)


def test_processes_that_left_their_session_go_with_the_container(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        container = await world.start(
            sandbox, "sh", "-c", "setsid sh -c 'setsid sleep 1000 & setsid sleep 1000' & sleep 1000"
        )
        group = group_of(world, container)
        for _ in range(500):
            if len(read(group / "cgroup.procs").split()) >= 4:
                break
            await world.clock.sleep(0.01)
        await world.runtime.stop_container(container, 0)
        await world.ended(container)
        await world.runtime.remove_container(container)
        assert not group.exists()

    run(body)
