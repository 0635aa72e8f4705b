"""exec, attach and port-forward for clients that ask for SPDY/3.1, as client-go did before 0.31 and does where a
websocket fails. The agent hears what it hears from websockets.

    exec, attach   frames ─► command_streams.py ─► channels ─► agent
    port-forward   frames ─────────────────────────────────► agent, which speaks them itself inside a websocket

An answer of 101 opens the connection; what is wrong before is an HTTP status. Imported with the first such request.
Source: apimachinery httpstream; kubelet pkg/cri/streaming.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from apiserver.http.command_streams import PROTOCOLS, CommandStreams
from apiserver.http.reply import TEXT, Header, Reply
from apiserver.http.tunnel import Tunnel, until_one_ends
from apiserver.http.watch_stream import Streams
from apiserver.nodeconnector import NodeSocket
from machinery.errors import BadRequest
from machinery.spdy.session import SpdyError

SPDY = b"SPDY/3.1"
VERSION_HEADER = b"x-stream-protocol-version"
_ACCEPTED_HEADER = b"x-accepted-stream-protocol-versions"
_FORWARD = ("portforward.k8s.io",)
_CREATION_S = 30.0  # for a client to open the streams that it asked for
_STEP_BYTES = 32 * 1024  # of what the client sent, until others have their turn
_FAREWELL_S = (
    5.0  # for a client to read how it ended, and leave: a close from here may overtake what it reads
)


def plan_upgrade(protocol: bytes, headers: Sequence[Header], subresource: str) -> str | Reply:
    """The stream protocol to speak: the first of the client's that is spoken here; or the refusal. Raises BadRequest."""
    if protocol.lower() != SPDY.lower():
        raise BadRequest(f"unable to upgrade: {protocol.decode('latin-1')!r} is not spoken here, SPDY/3.1 is")
    lines = [value.decode("latin-1") for name, value in headers if name == VERSION_HEADER]
    offered = [each for line in lines for each in (piece.strip() for piece in line.split(",")) if each]
    if not offered:
        raise BadRequest("unable to upgrade: X-Stream-Protocol-Version is required")
    known = _FORWARD if subresource == "portforward" else PROTOCOLS
    chosen = next((each for each in offered if each in known), None)
    if chosen is not None:
        return chosen
    text = (
        f"unable to upgrade: unable to negotiate protocol: client supports [{' '.join(offered)}], "
        f"server accepts [{' '.join(known)}]\n"
    )
    return Reply(403, text.encode(), TEXT, [(_ACCEPTED_HEADER, each.encode()) for each in known])


async def serve_command(
    tunnel: Tunnel, socket: NodeSocket, streams: Streams, protocol: str, expected: frozenset[str]
) -> None:
    """Until the command has ended and the client has left, or either is gone."""
    made, complete = CommandStreams(protocol, expected), asyncio.Event()
    flushing = asyncio.Lock()  # frames leave in the order in which they were made

    async def flush() -> None:
        async with flushing:
            if out := made.take_output():
                await tunnel.write(out)

    async def from_client() -> None:
        hears = True
        async for piece in tunnel.pieces():
            for at in range(0, len(piece), _STEP_BYTES):
                if at:
                    await asyncio.sleep(0)  # it may hold nothing but small frames
                try:
                    messages = made.from_client(piece[at : at + _STEP_BYTES])
                except SpdyError:
                    made.end()
                    await flush()
                    return
                await flush()
                if made.is_complete:
                    complete.set()
                for message in messages if hears else ():
                    try:
                        await socket.send(message)
                    except OSError:  # it has ended; how is still to be told
                        hears = False

    async def from_agent() -> None:
        try:
            async with asyncio.timeout(_CREATION_S):
                await complete.wait()
        except TimeoutError:
            made.end()
            await flush()
            return
        while (message := await socket.receive()) is not None:
            made.from_agent(message.encode() if isinstance(message, str) else message)
            await flush()
        made.end()
        await flush()
        await asyncio.sleep(_FAREWELL_S)

    await until_one_ends(streams, from_client(), from_agent(), tunnel=tunnel)


async def serve_forward(tunnel: Tunnel, socket: NodeSocket, streams: Streams) -> None:
    """Until either side leaves."""

    async def from_client() -> None:
        async for piece in tunnel.pieces():
            await socket.send(piece)

    async def from_agent() -> None:
        while (message := await socket.receive()) is not None:
            await tunnel.write(message.encode() if isinstance(message, str) else message)

    await until_one_ends(streams, from_client(), from_agent(), tunnel=tunnel)
