"""What every RuntimeService owes its caller, whether containers are processes or timers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from runtime.cri import (
    ContainerState,
    EventType,
    LinuxResources,
    Namespaces,
    NotFoundInRuntime,
    RuntimeFailure,
    SandboxState,
)

Run = Callable[[Any], None]


def test_new_sandbox_is_ready_with_an_address(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        sandbox = await world.sandbox()
        other = await world.sandbox()
        assert sandbox.state is SandboxState.READY
        assert sandbox.ips and sandbox.ips != other.ips
        assert sandbox.config.labels == {"app": "contract"}
        assert await world.runtime.pod_sandbox_status(sandbox.id) == sandbox
        assert {s.id for s in await world.runtime.list_pod_sandboxes()} == {sandbox.id, other.id}

    in_runtime(body)


def test_host_network_sandbox_has_no_address_of_its_own(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        sandbox = await world.sandbox(namespaces=Namespaces(host_network=True))
        assert sandbox.state is SandboxState.READY
        assert not sandbox.ips

    in_runtime(body)


def test_handlers_are_the_default_and_our_own_and_no_other(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        assert (await world.sandbox(runtime_handler="kctl")).state is SandboxState.READY
        with pytest.raises(RuntimeFailure, match='no runtime for "gvisor" is configured') as refused:
            await world.sandbox(runtime_handler="gvisor")
        assert refused.value.reason == "FailedCreatePodSandBox"
        assert len(await world.runtime.list_pod_sandboxes()) == 1

    in_runtime(body)


def test_stopped_sandbox_is_not_ready_and_its_containers_have_exited(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        sandbox = await world.sandbox()
        container_id = await world.start(sandbox, "sleep", "1000")
        await world.runtime.stop_pod_sandbox(sandbox.id)
        assert (await world.runtime.pod_sandbox_status(sandbox.id)).state is SandboxState.NOTREADY
        status = await world.runtime.container_status(container_id)
        assert status.state is ContainerState.EXITED
        assert status.exit_code == 137
        await world.runtime.stop_pod_sandbox(sandbox.id)

    in_runtime(body)


def test_removed_sandbox_takes_its_containers_along_and_removing_twice_succeeds(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        sandbox = await world.sandbox()
        container_id = await world.start(sandbox, "sleep", "1000")
        await world.runtime.remove_pod_sandbox(sandbox.id)
        await world.runtime.remove_pod_sandbox(sandbox.id)
        assert await world.runtime.list_pod_sandboxes() == ()
        assert await world.runtime.list_containers() == ()
        with pytest.raises(NotFoundInRuntime):
            await world.runtime.pod_sandbox_status(sandbox.id)
        with pytest.raises(NotFoundInRuntime):
            await world.runtime.container_status(container_id)

    in_runtime(body)


def test_container_goes_from_created_to_running_to_exited(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        sandbox = await world.sandbox()
        runtime = world.runtime
        container_id = await runtime.create_container(
            sandbox.id, world.container_config("sleep", "0.2", labels={"k": "v"})
        )
        created = await runtime.container_status(container_id)
        assert created.state is ContainerState.CREATED
        assert created.created_at_ns > 0 and created.started_at_ns == 0
        assert created.config.labels == {"k": "v"}
        assert created.image_id.startswith("sha256:")
        assert created.log_path == f"{sandbox.config.log_directory}/main/0.log"
        await runtime.start_container(container_id)
        running = await runtime.container_status(container_id)
        assert running.state is ContainerState.RUNNING
        assert running.started_at_ns >= created.created_at_ns
        assert running.pid > 0
        ended = await world.ended(container_id)
        assert (ended.exit_code, ended.reason, ended.signal) == (0, "Completed", 0)
        assert ended.finished_at_ns >= ended.started_at_ns

    in_runtime(body)


@pytest.mark.parametrize(
    ("command", "code"),
    [(["false"], 1), (["sh", "-c", "exit 3"], 3), (["sh", "-c", "sleep 0.05; exit 7"], 7)],
)
def test_failing_command_ends_with_its_code_and_reason_error(
    in_runtime: Run, command: list[str], code: int
) -> None:
    async def body(world: Any) -> None:
        container_id = await world.start(await world.sandbox(), *command)
        ended = await world.ended(container_id)
        assert (ended.exit_code, ended.reason) == (code, "Error")

    in_runtime(body)


def test_output_is_in_the_log_file(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        sandbox = await world.sandbox()
        await world.ended(await world.start(sandbox, "echo", "hello", "there"))
        assert world.log_of(sandbox) == ["hello there"]

    in_runtime(body)


def test_starting_twice_is_refused(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        container_id = await world.start(await world.sandbox(), "sleep", "1000")
        with pytest.raises(RuntimeFailure) as refused:
            await world.runtime.start_container(container_id)
        assert refused.value.reason == "RunContainerError"

    in_runtime(body)


def test_create_in_unknown_sandbox_is_not_found(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        with pytest.raises(NotFoundInRuntime):
            await world.runtime.create_container("missing", world.container_config("true"))

    in_runtime(body)


def test_create_in_stopped_sandbox_is_refused(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        sandbox = await world.sandbox()
        await world.runtime.stop_pod_sandbox(sandbox.id)
        with pytest.raises(RuntimeFailure) as refused:
            await world.runtime.create_container(sandbox.id, world.container_config("true"))
        assert refused.value.reason == "CreateContainerError"

    in_runtime(body)


def test_create_with_unknown_image_is_refused(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        sandbox = await world.sandbox()
        with pytest.raises(RuntimeFailure):
            await world.runtime.create_container(
                sandbox.id, world.container_config("true", image="registry.example/none:1")
            )
        assert await world.runtime.list_containers(sandbox.id) == ()

    in_runtime(body)


def test_stop_of_a_willing_container_ends_it_by_its_stop_signal(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        # A plain process as pid 1 ignores signals it has no handler for, so a shell handles it.
        container_id = await world.start(
            await world.sandbox(), "sh", "-c", "trap 'exit 143' TERM; while true; do sleep 0.02; done"
        )
        await world.clock.sleep(0.2)
        before = world.clock.monotonic()
        await world.runtime.stop_container(container_id, 30)
        assert world.clock.monotonic() - before < 5
        status = await world.runtime.container_status(container_id)
        assert status.state is ContainerState.EXITED
        assert status.exit_code == 143
        await world.runtime.stop_container(container_id, 30)

    in_runtime(body)


def test_stop_of_an_unwilling_container_kills_it_after_the_timeout(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        container_id = await world.start(
            await world.sandbox(), "sh", "-c", "trap '' TERM; while true; do sleep 0.02; done"
        )
        await world.clock.sleep(0.1)
        before = world.clock.monotonic()
        await world.runtime.stop_container(container_id, 0.3)
        assert 0.3 <= world.clock.monotonic() - before < 5
        status = await world.runtime.container_status(container_id)
        assert (status.state, status.exit_code, status.signal) == (ContainerState.EXITED, 137, 9)

    in_runtime(body)


def test_remove_of_a_running_container_kills_it_and_twice_succeeds(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        container_id = await world.start(await world.sandbox(), "sleep", "1000")
        await world.runtime.remove_container(container_id)
        await world.runtime.remove_container(container_id)
        assert await world.runtime.list_containers() == ()

    in_runtime(body)


def test_list_containers_is_narrowed_to_a_sandbox(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        one, two = await world.sandbox(), await world.sandbox()
        first = await world.start(one, "sleep", "1000")
        await world.start(two, "sleep", "1000")
        assert [c.id for c in await world.runtime.list_containers(one.id)] == [first]
        assert len(await world.runtime.list_containers()) == 2

    in_runtime(body)


def test_exec_sync_gives_output_and_code(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        container_id = await world.start(await world.sandbox(), "sleep", "1000")
        ok = await world.runtime.exec_sync(container_id, ["echo", "hi"])
        assert (ok.exit_code, ok.stdout, ok.stderr) == (0, b"hi\n", b"")
        bad = await world.runtime.exec_sync(container_id, ["sh", "-c", "exit 4"])
        assert bad.exit_code == 4

    in_runtime(body)


def test_exec_sync_past_its_timeout_raises(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        container_id = await world.start(await world.sandbox(), "sleep", "1000")
        with pytest.raises(TimeoutError):
            await world.runtime.exec_sync(container_id, ["sleep", "100"], timeout_s=0.2)

    in_runtime(body)


def test_exec_sync_in_an_ended_container_is_refused(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        container_id = await world.start(await world.sandbox(), "true")
        await world.ended(container_id)
        with pytest.raises(RuntimeFailure):
            await world.runtime.exec_sync(container_id, ["true"])

    in_runtime(body)


def test_exec_stream_passes_stdin_through(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        container_id = await world.start(await world.sandbox(), "sleep", "1000")
        async with world.runtime.exec(container_id, ["cat"], stdin=True, tty=False) as stream:
            await stream.write_stdin(b"one\n")
            await stream.write_stdin(b"two\n")
            await stream.close_stdin()
            got = b"".join([data async for channel, data in stream.output() if channel == 1])
            assert got == b"one\ntwo\n"
            assert await stream.wait() == 0

    in_runtime(body)


def test_exec_stream_without_stdin_ends_with_the_commands_code(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        container_id = await world.start(await world.sandbox(), "sleep", "1000")
        async with world.runtime.exec(
            container_id, ["sh", "-c", "echo out; exit 5"], stdin=False, tty=False
        ) as stream:
            assert [chunk async for chunk in stream.output()] == [(1, b"out\n")]
            assert await stream.wait() == 5

    in_runtime(body)


def test_attach_ends_when_the_container_does(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        container_id = await world.start(await world.sandbox(), "sh", "-c", "sleep 0.3; exit 2")
        async with world.runtime.attach(container_id, stdin=False, tty=False) as stream:
            assert await stream.wait() == 2
            assert [chunk async for chunk in stream.output()] == []

    in_runtime(body)


def test_attacher_whose_input_ends_is_let_go_and_the_container_runs_on(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        container_id = await world.start(await world.sandbox(), "sleep", "1000", stdin=True)
        async with asyncio.timeout(10), world.runtime.attach(container_id, stdin=True, tty=False) as stream:
            await stream.write_stdin(b"said\n")
            await stream.close_stdin()
            assert [chunk async for chunk in stream.output()] == []
            assert await stream.wait() == 0
        status = await world.runtime.container_status(container_id)
        assert status.state is ContainerState.RUNNING

    in_runtime(body)


def test_events_tell_a_containers_life_in_order(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        events = world.runtime.events()
        sandbox = await world.sandbox()
        container_id = await world.start(sandbox, "true")
        await world.ended(container_id)
        await world.runtime.remove_container(container_id)
        seen = []
        async with asyncio.timeout(5):
            async for event in events:
                assert (event.sandbox_id, event.pod_uid) == (sandbox.id, sandbox.config.uid)
                if event.container_id == container_id:
                    seen.append(event.type)
                if event.type is EventType.DELETED:
                    break
        assert seen == [EventType.CREATED, EventType.STARTED, EventType.STOPPED, EventType.DELETED]

    in_runtime(body)


def test_containers_outlive_the_agents_connection(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        sandbox = await world.sandbox()
        container_id = await world.start(sandbox, "sleep", "1000")
        before = await world.runtime.container_status(container_id)
        await world.runtime.close()
        await world.runtime.start()
        assert await world.runtime.container_status(container_id) == before
        assert (await world.runtime.pod_sandbox_status(sandbox.id)) == sandbox
        assert (await world.runtime.exec_sync(container_id, ["true"])).exit_code == 0

    in_runtime(body)


def test_update_of_resources_shows_in_the_config(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        container_id = await world.start(await world.sandbox(), "sleep", "1000")
        wanted = LinuxResources(memory_limit_bytes=64 << 20, cpu_shares=512, pids_limit=50)
        await world.runtime.update_container_resources(container_id, wanted)
        config = (await world.runtime.container_status(container_id)).config
        assert config.resources.memory_limit_bytes == 64 << 20

    in_runtime(body)


def test_stats_cover_running_containers_only(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        sandbox = await world.sandbox()
        running = await world.start(sandbox, "sleep", "1000")
        await world.ended(await world.start(sandbox, "true", name="other", log_path="other/0.log"))
        (stats,) = await world.runtime.list_container_stats()
        assert stats.id == running
        assert stats.memory_usage_bytes > 0 and stats.pids >= 1
        assert (await world.runtime.container_stats(running)).id == running

    in_runtime(body)


def test_port_forward_to_a_port_nobody_listens_on_is_refused(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        sandbox = await world.sandbox()
        with pytest.raises(RuntimeFailure, match="refused"):
            await world.runtime.port_forward(sandbox.id, 81)

    in_runtime(body)


def test_runtime_says_its_name_and_is_ready(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        name, version = await world.runtime.version()
        assert name.startswith("kctl") and version
        conditions = {c.type: c.status for c in await world.runtime.status()}
        assert conditions == {"RuntimeReady": True, "NetworkReady": True}

    in_runtime(body)


def test_verbs_on_an_unknown_container_say_not_found(in_runtime: Run) -> None:
    async def body(world: Any) -> None:
        runtime = world.runtime
        for call in (
            runtime.container_status("none"),
            runtime.start_container("none"),
            runtime.exec_sync("none", ["true"]),
            runtime.container_stats("none"),
        ):
            with pytest.raises(NotFoundInRuntime):
                await call
        await runtime.stop_container("none", 1)
        await runtime.remove_container("none")
        await runtime.stop_pod_sandbox("none")

    in_runtime(body)
