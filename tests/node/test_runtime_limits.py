"""Real limits hold: memory, processes, cpu, and what a container is told about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runtime_worlds import NEEDS_ROOT, World, run_native

from runtime.cgroups.stats import read_throttled_ns
from runtime.cri import LinuxResources, RuntimeFailure

pytestmark = [pytest.mark.node, NEEDS_ROOT]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Any], None]:
    return lambda body: run_native(body, tmp_path)


def test_memory_hog_is_oom_killed_and_says_so(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        # dd's own buffer is the memory: anonymous, not file cache.
        container = await world.start(
            await world.sandbox(),
            "dd",
            "if=/dev/zero",
            "of=/dev/null",
            "bs=200M",
            "count=1",
            resources=LinuxResources(memory_limit_bytes=16 << 20),
        )
        ended = await world.ended(container)
        assert (ended.reason, ended.exit_code, ended.signal) == ("OOMKilled", 137, 9)

    run(body)


def test_a_childs_oom_kill_is_told_when_the_container_fails_for_it(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        container = await world.start(
            await world.sandbox(),
            "sh",
            "-c",
            "dd if=/dev/zero of=/dev/null bs=200M count=1 || exit 9",
            resources=LinuxResources(memory_limit_bytes=16 << 20),
        )
        ended = await world.ended(container)
        assert ended.reason == "OOMKilled"
        assert ended.exit_code in (9, 137)  # 137 where the whole group is killed at once (v2)

    run(body)


def test_failure_without_a_memory_kill_is_an_error(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        limits = LinuxResources(memory_limit_bytes=64 << 20)
        container = await world.start(await world.sandbox(), "false", resources=limits)
        assert (await world.ended(container)).reason == "Error"

    run(body)


def test_fork_bomb_stops_at_its_pids_limit(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        container = await world.start(
            await world.sandbox(),
            "sh",
            "-c",
            "i=0; while [ $i -lt 200 ]; do sleep 100 & i=$((i+1)); done; sleep 100",
            resources=LinuxResources(pids_limit=20),
        )
        for _ in range(300):
            pids = (await world.runtime.container_stats(container)).pids
            assert pids <= 20
            if pids == 20 or (await world.runtime.container_status(container)).pid == 0:
                break
            await world.clock.sleep(0.01)
        ended = await world.ended(container)  # the shell gives up when it cannot fork
        assert ended.exit_code != 0
        assert "can't fork" in world.printed(ended)

    run(body)


def test_cpu_quota_holds_a_busy_loop_back(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        limits = LinuxResources(cpu_period_us=100_000, cpu_quota_us=10_000)
        container = await world.start(
            await world.sandbox(), "sh", "-c", "while true; do :; done", resources=limits
        )
        await world.clock.sleep(1.0)
        before = await world.runtime.container_stats(container)
        await world.clock.sleep(1.0)
        after = await world.runtime.container_stats(container)
        wall_ns = after.timestamp_ns - before.timestamp_ns
        assert (after.cpu_usage_ns - before.cpu_usage_ns) / wall_ns < 0.2
        runtime: Any = world.runtime
        assert read_throttled_ns(runtime.layout, runtime.mirror.groups[container]) > 0

    run(body)


def test_container_reads_its_own_limits_in_its_cgroup_mount(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        limits = LinuxResources(memory_limit_bytes=32 << 20, pids_limit=30)
        container = await world.start(await world.sandbox(), "sleep", "100", resources=limits)
        found = await world.runtime.exec_sync(
            container,
            ["sh", "-c", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes || cat /sys/fs/cgroup/memory.max"],
        )
        assert int(found.stdout) == 32 << 20
        denied = await world.runtime.exec_sync(
            container, ["sh", "-c", "echo 1 > /sys/fs/cgroup/memory/memory.limit_in_bytes"]
        )
        assert denied.exit_code != 0

    run(body)


def test_limits_change_in_place(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        container = await world.start(
            await world.sandbox(), "sleep", "100", resources=LinuxResources(memory_limit_bytes=32 << 20)
        )
        for limit in (128 << 20, 48 << 20):
            await world.runtime.update_container_resources(
                container, LinuxResources(memory_limit_bytes=limit, pids_limit=7)
            )
            seen = await world.runtime.exec_sync(
                container,
                [
                    "sh",
                    "-c",
                    "cd /sys/fs/cgroup && { cat memory/memory.limit_in_bytes || cat memory.max; } "
                    "&& { cat pids/pids.max || cat pids.max; }",
                ],
            )
            assert seen.stdout.split() == [str(limit).encode(), b"7"]

    run(body)


def test_pod_limit_bounds_its_containers_together(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox(
            resources=LinuxResources(memory_limit_bytes=16 << 20), cgroup_parent="/kctl-test-limits/pod1"
        )
        container = await world.start(sandbox, "dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
        assert (await world.ended(container)).reason == "OOMKilled"
        await world.runtime.update_sandbox_resources(sandbox.id, LinuxResources(memory_limit_bytes=512 << 20))
        again = await world.start(sandbox, "dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
        assert (await world.ended(again)).reason == "Completed"

    run(body)


def test_cpuset_pins_a_container(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        container = await world.start(
            await world.sandbox(),
            "sh",
            "-c",
            "grep Cpus_allowed_list /proc/self/status",
            resources=LinuxResources(cpuset_cpus="0"),
        )
        ended = await world.ended(container)
        assert world.printed(ended).endswith("Cpus_allowed_list:\t0")

    run(body)


def test_refused_limit_fails_the_creation_with_the_file_named(run: Callable[[Any], None]) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        with pytest.raises(RuntimeFailure, match=r"cpuset\.cpus"):
            await world.runtime.create_container(
                sandbox.id,
                world.container_config("true", resources=LinuxResources(cpuset_cpus="4000")),
            )
        assert await world.runtime.list_containers() == ()

    run(body)
