"""The fake's own promises: programs, faults, delays, and the same run for the same seed."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from machinery import virtual_loop
from machinery.clock import Clock
from runtime.cri import (
    ContainerConfig,
    ContainerState,
    EventType,
    ExecResult,
    ImageConfig,
    ImageFailure,
    RuntimeFailure,
    SandboxConfig,
    SandboxState,
)
from runtime.fake import Delays, FakeImages, FakeRuntime, Program
from runtime.fake_programs import program_of


@pytest.mark.parametrize(
    ("argv", "runs_s", "code", "stdout"),
    [
        (["sleep", "5"], 5.0, 0, ()),
        (["/bin/sleep", "2m"], 120.0, 0, ()),
        (["sleep", "infinity"], None, 0, ()),
        (["false"], 0.0, 1, ()),
        (["sh", "-c", "exit 3"], 0.0, 3, ()),
        (["sh", "-c", "echo a; sleep 2 && exit 4"], 2.0, 4, ("a",)),
        (["sh", "-c", "false || echo b"], 0.0, 0, ("b",)),
        (["sh", "-c", "false && echo b"], 0.0, 1, ()),
        (["sh", "-c", "while true; do sleep 1; done"], None, 0, ()),
        (["sh", "-c", "echo up\nexec sleep 3"], 3.0, 0, ("up",)),
        (["busybox", "true"], 0.0, 0, ()),
        (["nginx", "-g", "daemon off;"], None, 0, ()),
        ([], None, 0, ()),
    ],
)
def test_command_lines_are_understood(
    argv: list[str], runs_s: float | None, code: int, stdout: tuple[str, ...]
) -> None:
    program = program_of(argv)
    assert (program.runs_s, tuple(program.stdout)) == (runs_s, stdout)
    if runs_s is not None:
        assert program.exit_code == code


def make(clock: Clock, **options: Any) -> tuple[FakeRuntime, FakeImages]:
    images = FakeImages(clock)
    images.preload("app:1", config=ImageConfig(entrypoint=("server",)))
    return FakeRuntime(clock, Random(7), images, **options), images


SANDBOX = SandboxConfig("p", "default", "u1", 0, "p", "/no/such/logs")


def config(*command: str) -> ContainerConfig:
    return ContainerConfig("c", 0, "app:1", command=command, log_path="c/0.log")


async def started(runtime: FakeRuntime, *command: str) -> str:
    sandbox = await runtime.run_pod_sandbox(SANDBOX)
    container = await runtime.create_container(sandbox.id, config(*command))
    await runtime.start_container(container)
    return container


def test_same_seed_gives_the_same_history() -> None:
    async def history(clock: Clock) -> list[Any]:
        runtime, _ = make(clock)
        events = runtime.events()
        for command in (("sleep", "3"), ("false",), ()):
            await started(runtime, *command)
        await clock.sleep(10)
        runtime.reboot()
        await runtime.close()
        seen = [event async for event in events]
        return [*seen, *await runtime.list_containers()]

    assert virtual_loop.run(history) == virtual_loop.run(history)


def test_injected_faults_show_as_they_would() -> None:
    async def body(clock: Clock) -> None:
        runtime, _ = make(clock)
        killed, hog, quits = [await started(runtime) for _ in range(3)]
        runtime.kill(killed)
        runtime.oom_kill(hog)
        runtime.exit(quits, 4)
        statuses = [await runtime.container_status(c) for c in (killed, hog, quits)]
        assert [(s.exit_code, s.reason) for s in statuses] == [
            (137, "Error"),
            (137, "OOMKilled"),
            (4, "Error"),
        ]
        runtime.fail_next("start_container", RuntimeFailure("RunContainerError", "no luck"))
        with pytest.raises(RuntimeFailure, match="no luck"):
            await started(runtime)
        runtime.fail_next("run_pod_sandbox", RuntimeFailure("FailedCreatePodSandBox", "no net"))
        with pytest.raises(RuntimeFailure, match="no net"):
            await started(runtime)

    virtual_loop.run(body)


def test_crashed_sandbox_ends_its_containers_and_frees_its_address() -> None:
    async def body(clock: Clock) -> None:
        runtime, _ = make(clock, pod_cidr="10.1.0.0/30")
        container = await started(runtime)
        (sandbox,) = await runtime.list_pod_sandboxes()
        with pytest.raises(RuntimeFailure, match="no address"):
            await runtime.run_pod_sandbox(SANDBOX)
        events = runtime.events()
        runtime.crash_sandbox(sandbox.id)
        assert (await runtime.pod_sandbox_status(sandbox.id)).state is SandboxState.NOTREADY
        assert (await runtime.container_status(container)).state is ContainerState.EXITED
        assert [(await anext(events)).type for _ in range(2)] == [EventType.STOPPED] * 2
        assert (await runtime.run_pod_sandbox(SANDBOX)).ips == sandbox.ips

    virtual_loop.run(body)


def test_delays_are_kept_on_the_clock() -> None:
    async def body(clock: Clock) -> None:
        runtime, _ = make(clock, delays=Delays(1.0, 2.0, 3.0, jitter=0))
        before = clock.monotonic()
        await started(runtime)
        assert clock.monotonic() - before == 6.0

    virtual_loop.run(body)


def test_behaviour_decides_how_a_container_runs() -> None:
    def behave(asked: ContainerConfig) -> Program | None:
        if asked.name == "c":
            return Program(start_error='exec: "x": executable file not found in $PATH')
        return None

    async def body(clock: Clock) -> None:
        runtime, _ = make(clock, behaviour=behave)
        with pytest.raises(RuntimeFailure, match="not found in"):
            await started(runtime)
        (failed,) = await runtime.list_containers()
        assert (failed.exit_code, failed.reason) == (128, "StartError")

    virtual_loop.run(body)


def test_exec_can_be_answered_by_the_test() -> None:
    async def body(clock: Clock) -> None:
        runtime, _ = make(clock, on_exec=lambda c, cmd: ExecResult(9, b"out", b"err"))
        container = await started(runtime)
        assert await runtime.exec_sync(container, ["probe"]) == ExecResult(9, b"out", b"err")
        async with runtime.exec(container, ["probe"], stdin=False, tty=False) as stream:
            assert [chunk async for chunk in stream.output()] == [(1, b"out"), (2, b"err")]
            assert await stream.wait() == 9

    virtual_loop.run(body)


def test_concurrent_pulls_are_one_and_failures_are_told() -> None:
    async def body(clock: Clock) -> None:
        images = FakeImages(clock)
        ids = await asyncio.gather(*(images.pull_image("busybox") for _ in range(5)))
        assert len(set(ids)) == 1 and images.pulls == ["busybox"]
        found = await images.image_status("docker.io/library/busybox:latest")
        assert found is not None and found.id == ids[0]
        images.fail_pulls("gone:1", ImageFailure("ErrImagePull", "not there"))
        with pytest.raises(ImageFailure, match="not there"):
            await images.pull_image("gone:1")
        with pytest.raises(ImageFailure) as invalid:
            await images.pull_image("Bad Name")
        assert invalid.value.reason == "InvalidImageName"
        await images.remove_image("busybox")
        await images.remove_image("busybox")
        assert await images.list_images() == ()

    virtual_loop.run(body)
