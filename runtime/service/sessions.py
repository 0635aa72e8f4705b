"""Sessions with what runs in a container: exec, exec_sync, attach, port-forward.

The process's stdin, stdout and stderr are pipes (or a terminal) held by the agent; the spawner only makes
the process and tells its exit code.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from runtime.cri import ExecResult, RuntimeFailure
from runtime.service.connection import SpawnerRefused, Undo
from runtime.service.streams import STDERR, STDOUT, ProcessStream, SocketConnection
from runtime.spawner.wire import Message

if TYPE_CHECKING:
    from runtime.service.native import NativeRuntime

MAX_SYNC_OUTPUT = 16 << 20


@asynccontextmanager
async def exec_stream(
    runtime: NativeRuntime, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool
) -> AsyncIterator[ProcessStream]:
    """Leaving the context kills the process if it still runs."""
    process = {"args": list(command), "tty": tty}

    def undo(answer: Message) -> Undo:
        # Its end is told all the same, and must be nobody's news.
        _exit_code(runtime, answer["exec"])
        return "kill_exec", {"exec": answer["exec"]}

    pipes = _Pipes(stdin) if not tty else None
    try:
        answer, handles = await runtime.connection.ask(
            "exec", {"id": container_id, "process": process}, pipes.theirs if pipes else (), undo
        )
    except SpawnerRefused as refused:
        if pipes:
            pipes.close_ours()
        raise RuntimeFailure("ExecError", f"failed to exec in container: {refused}") from refused
    except BaseException:
        if pipes:
            pipes.close_ours()
        raise
    finally:
        if pipes:
            pipes.close_theirs()
    exec_id = answer["exec"]
    code = _exit_code(runtime, exec_id)

    async def wait() -> int:
        return await asyncio.shield(code)

    if pipes:
        stream = ProcessStream({pipes.out: STDOUT, pipes.err: STDERR}, pipes.in_, wait=wait)
    else:
        master = handles[0]
        stream = ProcessStream({master: STDOUT}, master if stdin else -1, terminal=master, wait=wait)
    try:
        yield stream
    finally:
        stream.close()
        if not code.done():
            with contextlib.suppress(RuntimeFailure):
                await runtime.connection.ask("kill_exec", {"exec": exec_id})
            runtime.mirror.exec_waiters.pop(exec_id, None)
            code.cancel()


async def exec_sync(
    runtime: NativeRuntime, container_id: str, command: Sequence[str], timeout_s: float
) -> ExecResult:
    chunks: dict[int, bytearray] = {STDOUT: bytearray(), STDERR: bytearray()}
    try:
        async with asyncio.timeout(timeout_s or None):
            async with exec_stream(runtime, container_id, command, stdin=False, tty=False) as stream:
                async for channel, data in stream.output():
                    kept = chunks[channel]
                    kept += data[: MAX_SYNC_OUTPUT - len(kept)]
                code = await stream.wait()
    except TimeoutError:
        raise TimeoutError(f"command {list(command)!r} timed out after {timeout_s:g} s") from None
    return ExecResult(code, bytes(chunks[STDOUT]), bytes(chunks[STDERR]))


@asynccontextmanager
async def attach(
    runtime: NativeRuntime, container_id: str, *, stdin: bool, tty: bool
) -> AsyncIterator[ProcessStream]:
    """Leaving the context lets go; the container runs on. So does the end of input, but for a container whose own input ends with
    that of the first who attached (stdinOnce); a terminal's never does."""
    container = runtime.mirror.container(container_id)
    out, out_theirs = os.pipe2(os.O_CLOEXEC)
    err, err_theirs = os.pipe2(os.O_CLOEXEC)
    try:
        _, handles = await runtime.connection.ask(
            "attach", {"id": container_id, "stdin": stdin}, (out_theirs, err_theirs)
        )
    except BaseException as failed:
        os.close(out)
        os.close(err)
        if isinstance(failed, SpawnerRefused):
            raise RuntimeFailure("AttachError", f"cannot attach: {failed}") from failed
        raise
    finally:
        os.close(out_theirs)
        os.close(err_theirs)

    async def wait() -> int:
        await runtime.mirror.exited(container_id)
        ended = runtime.mirror.containers.get(container_id)
        return ended.exit_code if ended else 137

    async def end_input() -> None:
        await runtime.connection.ask("close_stdin", {"id": container_id})

    is_once = container.config.stdin_once and not tty
    own = handles[0] if handles else -1
    terminal = own if tty else -1
    if own >= 0 and not stdin and not tty:
        os.close(own)
        own = -1
    stream = ProcessStream(
        {out: STDOUT, err: STDERR},
        own,
        terminal=terminal,
        wait=wait,
        on_close_stdin=end_input if is_once else None,
        ends_with_input=stdin and not is_once,
    )
    try:
        yield stream
    finally:
        stream.close()


async def port_forward(runtime: NativeRuntime, sandbox_id: str, port: int) -> SocketConnection:
    """Raises RuntimeFailure PortForwardError where nobody listens."""
    runtime.mirror.sandbox(sandbox_id)
    try:
        _, handles = await runtime.connection.ask("socket_in", {"id": sandbox_id})
    except SpawnerRefused as refused:
        raise RuntimeFailure("PortForwardError", str(refused)) from refused
    sock = socket.socket(fileno=handles[0])
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except asyncio.CancelledError:
        sock.close()
        raise
    except OSError as refused:
        sock.close()
        cause = os.strerror(refused.errno or 0).lower()
        raise RuntimeFailure(
            "PortForwardError", f"failed to connect to localhost:{port} inside the pod: {cause}"
        ) from refused
    return SocketConnection(sock)


def _exit_code(runtime: NativeRuntime, exec_id: str) -> asyncio.Future[int]:
    """Done when the process has ended, which may be before anyone asked."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    known = runtime.mirror.exec_codes.pop(exec_id, None)
    if known is not None:
        future.set_result(known)
    else:
        runtime.mirror.exec_waiters[exec_id] = future
    return future


class _Pipes:
    def __init__(self, want_stdin: bool) -> None:
        if want_stdin:
            child_in, self.in_ = os.pipe2(os.O_CLOEXEC)
        else:
            child_in, self.in_ = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), -1
        self.out, child_out = os.pipe2(os.O_CLOEXEC)
        self.err, child_err = os.pipe2(os.O_CLOEXEC)
        self.theirs = (child_in, child_out, child_err)

    def close_theirs(self) -> None:
        for fd in self.theirs:
            os.close(fd)

    def close_ours(self) -> None:
        for fd in (self.in_, self.out, self.err):
            if fd >= 0:
                os.close(fd)
