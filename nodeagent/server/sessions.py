"""exec and attach: a websocket's channels joined to a runtime session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

from nodeagent.podspec import Obj
from nodeagent.server.asgi import WebSocket
from nodeagent.server.channels import (
    CLOSE,
    RESIZE,
    STDIN,
    ChannelProtocol,
    error_status,
    exit_status,
    window_size,
)
from runtime.cri import ExecStream, RuntimeFailure

OpenSession = Callable[[], AbstractAsyncContextManager[ExecStream]]


async def serve_session(
    socket: WebSocket,
    protocol: ChannelProtocol,
    open_session: OpenSession,
    *,
    stdin: bool,
    wanted: frozenset[int],
    exit_code_counts: bool,
) -> None:
    """Serves until the program ends or the client leaves. `wanted`: the output channels that were asked for.
    What goes wrong after the upgrade is told on the error channel."""
    await socket.accept(protocol.name)
    try:
        async with open_session() as session:
            status = await _join(socket, protocol, session, stdin, wanted, exit_code_counts)
    except RuntimeFailure as error:
        status = error_status(str(error))
    if status is not None:
        await socket.send(protocol.outcome(status))
        await socket.close(1000)


async def _join(
    socket: WebSocket,
    protocol: ChannelProtocol,
    session: ExecStream,
    stdin: bool,
    wanted: frozenset[int],
    exit_code_counts: bool,
) -> Obj | None:
    """How it ended, or None when the client left."""

    async def output() -> int:
        async for channel, data in session.output():
            if channel in wanted:
                await socket.send(protocol.encode(channel, data))
        return await session.wait()

    program = asyncio.create_task(output(), name="session output")
    client = asyncio.create_task(_input(socket, protocol, session, stdin), name="session input")
    try:
        await asyncio.wait({program, client}, return_when=asyncio.FIRST_COMPLETED)
        if not program.done():
            return None
        code = program.result()
        return exit_status(code if exit_code_counts else 0)
    finally:
        for task in (program, client):
            task.cancel()
        await asyncio.gather(program, client, return_exceptions=True)


async def _input(socket: WebSocket, protocol: ChannelProtocol, session: ExecStream, stdin: bool) -> None:
    """Returns when the client has left. A program that no longer reads is no error."""
    while (message := await socket.receive()) is not None:
        decoded = protocol.decode(message)
        if decoded is None:
            continue
        channel, data = decoded
        with suppress(OSError, RuntimeFailure):
            if channel == STDIN and stdin and data:
                await session.write_stdin(data)
            elif channel == RESIZE and (size := window_size(data)):
                await session.resize(*size)
            elif channel == CLOSE and protocol.can_close_stdin and data[:1] == b"\x00" and stdin:
                await session.close_stdin()
