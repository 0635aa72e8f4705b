"""Bytes in and out of real containers: logs, rotation, exec, terminals, attach, and starts that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runtime_worlds import NEEDS_ROOT, World, run_native

from runtime.cri import Container, ContainerState, Mount, RuntimeFailure

pytestmark = [pytest.mark.node, NEEDS_ROOT]
Run = Callable[[Any], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return lambda body: run_native(body, tmp_path, log_max_bytes=100_000, log_max_files=3)


def raw_lines(container: Container) -> list[tuple[str, str, str]]:
    """(stream, tag, text) of every log line."""
    found = []
    for line in Path(container.log_path).read_text().splitlines():
        stamp, stream, tag, text = line.split(" ", 3)
        assert stamp.endswith("Z") and len(stamp) == 30
        found.append((stream, tag, text))
    return found


def log_files(container: Container) -> list[Path]:
    return sorted(Path(container.log_path).parent.iterdir())


def has_text(path: Path) -> bool:
    return path.stat().st_size > 0


def move_away(path: Path) -> None:
    path.rename(path.with_suffix(".old"))


def test_both_streams_are_logged_with_their_names(run: Run) -> None:
    async def body(world: World) -> None:
        container = await world.start(
            await world.sandbox(), "sh", "-c", "echo out; echo err >&2; printf 'no newline'"
        )
        lines = raw_lines(await world.ended(container))
        assert sorted(lines) == [
            ("stderr", "F", "err"),
            ("stdout", "F", "out"),
            ("stdout", "P", "no newline"),
        ]

    run(body)


def test_long_line_is_logged_in_parts(run: Run) -> None:
    async def body(world: World) -> None:
        container = await world.start(
            await world.sandbox(), "sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo; echo next"
        )
        lines = raw_lines(await world.ended(container))
        assert [(tag, len(text)) for _, tag, text in lines] == [
            ("P", 16384),
            ("P", 16384),
            ("F", 40000 - 2 * 16384),
            ("F", 4),
        ]

    run(body)


def test_log_is_rotated_and_old_files_are_removed(run: Run) -> None:
    async def body(world: World) -> None:
        container = await world.start(
            await world.sandbox(),
            "sh",
            "-c",
            "i=0; while [ $i -lt 60 ]; do head -c 9999 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done; echo last",
        )
        ended = await world.ended(container)
        files = log_files(ended)
        assert len(files) == 3
        assert all(file.stat().st_size <= 100_000 for file in files)
        assert raw_lines(ended)[-1][2] == "last"

    run(body)


def test_log_is_reopened_after_it_was_moved_away(run: Run) -> None:
    async def body(world: World) -> None:
        container = await world.start(
            await world.sandbox(), "sh", "-c", "echo one; while [ ! -e /go ]; do sleep 0.02; done; echo two"
        )
        status = await world.runtime.container_status(container)
        path = Path(status.log_path)
        async with asyncio.timeout(5):
            while not has_text(path):
                await world.clock.sleep(0.01)
        move_away(path)
        await world.runtime.reopen_container_log(container)
        await world.runtime.exec_sync(container, ["touch", "/go"])
        ended = await world.ended(container)
        assert [text for _, _, text in raw_lines(ended)] == ["two"]

    run(body)


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        (["no-such-program"], 'exec: "no-such-program": executable file not found in $PATH'),
        (["/no/such"], 'exec: "/no/such": stat /no/such: no such file or directory'),
        (["/etc/passwd"], 'exec: "/etc/passwd": permission denied'),
        (["/etc"], 'exec: "/etc": is a directory'),
    ],
)
def test_program_that_cannot_be_executed_fails_the_start_with_the_cause(
    run: Run, command: list[str], cause: str
) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        container = await world.runtime.create_container(sandbox.id, world.container_config(*command))
        with pytest.raises(RuntimeFailure) as refused:
            await world.runtime.start_container(container)
        assert refused.value.reason == "RunContainerError"
        assert cause in str(refused.value)
        status = await world.runtime.container_status(container)
        assert (status.state, status.exit_code, status.reason) == (ContainerState.EXITED, 128, "StartError")
        assert cause in status.message

    run(body)


def test_missing_mount_source_fails_the_creation_with_its_path(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        with pytest.raises(RuntimeFailure, match="/no/such/source") as refused:
            await world.start(sandbox, "true", mounts=(Mount("/data", "/no/such/source"),))
        assert refused.value.reason == "CreateContainerError"

    run(body)


def test_image_without_a_command_needs_one(run: Run) -> None:
    async def body(world: World) -> None:
        from runtime.cri import ImageConfig

        images: Any = world.runtime
        images.images.configs["registry.example/busybox:1"] = ImageConfig()
        with pytest.raises(RuntimeFailure, match="no command specified"):
            await world.start(await world.sandbox())

    run(body)


def test_exec_of_a_missing_program_is_refused_with_the_cause(run: Run) -> None:
    async def body(world: World) -> None:
        container = await world.start(await world.sandbox(), "sleep", "100")
        with pytest.raises(RuntimeFailure, match="executable file not found in"):
            await world.runtime.exec_sync(container, ["nope"])

    run(body)


def test_exec_sees_the_containers_world(run: Run) -> None:
    async def body(world: World) -> None:
        container = await world.start(
            await world.sandbox(), "sleep", "100", env=(("COLOR", "blue"),), working_dir="/tmp"
        )
        result = await world.runtime.exec_sync(
            container,
            ["sh", "-c", "echo $COLOR $PWD; grep Seccomp: /proc/self/status; ps | grep -c '[s]leep 100'"],
        )
        assert result.stdout.split() == [b"blue", b"/tmp", b"Seccomp:", b"2", b"1"]

    run(body)


def test_exec_with_a_terminal_is_resized_and_interactive(run: Run) -> None:
    async def body(world: World) -> None:
        container = await world.start(await world.sandbox(), "sleep", "100")
        async with world.runtime.exec(container, ["sh"], stdin=True, tty=True) as stream:
            await stream.resize(100, 40)
            await stream.write_stdin(b"stty size; tty; exit 6\n")
            text = b"".join([data async for channel, data in stream.output() if channel == 1])
            assert b"40 100\r\n" in text and b"/dev/pts/0" in text
            assert await stream.wait() == 6

    run(body)


def test_container_with_a_terminal_can_be_attached_to(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        container = await world.start(sandbox, "sh", tty=True, stdin=True)
        async with world.runtime.attach(container, stdin=True, tty=True) as stream:
            await stream.resize(90, 30)
            await stream.write_stdin(b"stty size; echo $TERM; ls -l /dev/console | head -c 1; exit 3\n")
            text = b"".join([data async for _, data in stream.output()])
            assert b"30 90\r\n" in text and b"xterm" in text
            assert await stream.wait() == 3
        assert "30 90" in world.log_of(sandbox)

    run(body)


def test_attach_with_stdin_once_ends_the_input(run: Run) -> None:
    async def body(world: World) -> None:
        container = await world.start(await world.sandbox(), "cat", stdin=True, stdin_once=True)
        async with world.runtime.attach(container, stdin=True, tty=False) as stream:
            await stream.write_stdin(b"hello\n")
            await stream.close_stdin()
            assert b"".join([data async for _, data in stream.output()]) == b"hello\n"
            assert await stream.wait() == 0

    run(body)


def test_second_attacher_sees_what_the_first_sees(run: Run) -> None:
    async def body(world: World) -> None:
        container = await world.start(await world.sandbox(), "cat", stdin=True, stdin_once=True)
        async with (
            world.runtime.attach(container, stdin=False, tty=False) as watcher,
            world.runtime.attach(container, stdin=True, tty=False) as writer,
        ):
            await writer.write_stdin(b"shared\n")
            await writer.close_stdin()
            assert [d async for _, d in watcher.output()] == [b"shared\n"]
            assert [d async for _, d in writer.output()] == [b"shared\n"]

    run(body)


def test_large_output_of_an_exec_comes_whole(run: Run) -> None:
    async def body(world: World) -> None:
        container = await world.start(await world.sandbox(), "sleep", "100")
        result = await world.runtime.exec_sync(container, ["head", "-c", "5000000", "/dev/zero"])
        assert len(result.stdout) == 5_000_000

    run(body)


def test_exec_left_early_is_killed(run: Run) -> None:
    async def body(world: World) -> None:
        container = await world.start(await world.sandbox(), "sleep", "100")
        async with world.runtime.exec(container, ["sleep", "999"], stdin=False, tty=False):
            pass
        async with asyncio.timeout(5):
            while b"999" in (await world.runtime.exec_sync(container, ["ps"])).stdout:
                await world.clock.sleep(0.02)

    run(body)
