"""port-forward: TCP connections into a pod's network, over a tunnelled SPDY session or plain channels.

SPDY (what kubectl speaks): for each connection the client opens an error and a data stream with the same
requestID. Channels (v4.channel.k8s.io and older): the ports are in the query; port i has channels 2i (data) and
2i+1 (error), and each begins with the port number as two little-endian bytes.
Source: KEP-4006; kubelet pkg/cri/streaming/portforward.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from machinery import integers
from machinery.spdy.session import (
    CANCEL,
    REFUSED_STREAM,
    DataReceived,
    SessionClosed,
    SpdyError,
    SpdySession,
    StreamOpened,
    StreamReset,
)
from nodeagent.server.asgi import WebSocket
from nodeagent.server.channels import ChannelProtocol
from runtime.cri import Connection, RuntimeFailure

SPDY_PROTOCOL = "SPDY/3.1+portforward.k8s.io"
CHUNK = 32 * 1024
# Pieces of a connection that its pod does not take: then nothing more is read of the whole session, which has one
# order for all its streams and no windows.
_PIECES_AHEAD = 8
_STEP_BYTES = 32 * 1024  # of what the client sent, until others have their turn
_LAST_WORDS_S = 30.0  # for a pod to go on answering a client that sends no more
Dial = Callable[[int], Awaitable[Connection]]


@dataclass(slots=True)
class _Forward:
    """One forwarded connection: its pair of streams, and what came before it was dialled."""

    request: str
    port: int
    error: int = 0
    data: int = 0
    inbox: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(_PIECES_AHEAD))
    task: asyncio.Task[None] | None = None


async def serve_spdy(socket: WebSocket, dial: Dial) -> None:
    """Serves the session until the client leaves."""
    await socket.accept(SPDY_PROTOCOL)
    async with asyncio.TaskGroup() as group:
        tunnel = _Tunnel(socket, dial, group)
        await tunnel.serve()
        tunnel.end()
    await socket.close(1000)


class _Tunnel:
    def __init__(self, socket: WebSocket, dial: Dial, group: asyncio.TaskGroup) -> None:
        self._socket = socket
        self._dial = dial
        self._group = group
        self._session = SpdySession()
        self._sending = asyncio.Lock()  # frames leave in the order in which they were made
        self._requests: dict[str, _Forward] = {}
        self._by_stream: dict[int, _Forward] = {}

    async def serve(self) -> None:
        while (message := await self._socket.receive()) is not None:
            data = message.encode() if isinstance(message, str) else message
            for at in range(0, len(data), _STEP_BYTES):
                if at:
                    await asyncio.sleep(0)  # a message may be large, and hold nothing but small frames
                if not await self._take(data[at : at + _STEP_BYTES]):
                    return

    async def _take(self, data: bytes) -> bool:
        """False where the session is over."""
        try:
            events = self._session.receive(data)
        except SpdyError:
            self._session.go_away()
            await self._flush()
            return False
        for event in events:
            if isinstance(event, StreamOpened):
                self._opened(event)
            elif isinstance(event, DataReceived):
                await self._received(event)
            elif isinstance(event, StreamReset):
                self._reset(event.stream)
            elif isinstance(event, SessionClosed) and not self._requests:
                return False  # with connections open the client waits for their ends, or leaves
        await self._flush()
        return True

    def end(self) -> None:
        for forward in self._requests.values():
            if forward.task is not None:
                forward.task.cancel()

    def _opened(self, event: StreamOpened) -> None:
        kind = event.headers.get("streamtype", "")
        port = integers.parse(event.headers.get("port", ""), (1, 65535))
        if kind not in ("data", "error") or port is None:
            self._session.reset(event.stream)
            return
        request = event.headers.get("requestid") or str(event.stream if kind == "error" else event.stream - 2)
        forward = self._requests.setdefault(request, _Forward(request, port))
        if forward.error if kind == "error" else forward.data:
            self._session.reset(event.stream, REFUSED_STREAM)
            return
        self._session.reply(event.stream)
        self._by_stream[event.stream] = forward
        if kind == "error":
            forward.error = event.stream
        else:
            forward.data = event.stream
            if event.fin:
                forward.inbox.put_nowait(None)
        if forward.error and forward.data and forward.task is None:
            forward.task = self._group.create_task(self._forward(forward), name=f"forward {port}")

    async def _received(self, event: DataReceived) -> None:
        forward = self._by_stream.get(event.stream)
        if forward is None or event.stream != forward.data:
            return
        if forward.task is None and forward.inbox.full():
            self._break(forward, REFUSED_STREAM)  # its other stream, which would start it, may never come
            return
        if event.data:
            await forward.inbox.put(event.data)
        if event.fin:
            await forward.inbox.put(None)

    def _reset(self, stream: int) -> None:
        forward = self._by_stream.get(stream)
        if forward is not None:
            self._break(forward, CANCEL)

    def _break(self, forward: _Forward, status: int) -> None:
        """Ends both of its streams at once."""
        for stream in (forward.error, forward.data):
            self._session.reset(stream, status)
        if forward.task is not None:
            forward.task.cancel()
        else:
            self._forget(forward)

    def _forget(self, forward: _Forward) -> None:
        self._requests.pop(forward.request, None)
        self._by_stream.pop(forward.error, None)
        self._by_stream.pop(forward.data, None)
        while not forward.inbox.empty():  # somebody may wait for room
            forward.inbox.get_nowait()

    async def _forward(self, forward: _Forward) -> None:
        try:
            try:
                connection = await self._dial(forward.port)
            except (RuntimeFailure, OSError) as error:
                text = f"error forwarding port {forward.port} to pod: {error}"
                self._session.send(forward.error, text.encode(), fin=True)
                self._session.send(forward.data, b"", fin=True)
                await self._flush()
                return
            try:
                await self._relay(connection, forward)
                self._session.send(forward.data, b"", fin=True)
                self._session.send(forward.error, b"", fin=True)
                await self._flush()
            finally:
                await connection.close()
        finally:
            self._forget(forward)

    async def _relay(self, connection: Connection, forward: _Forward) -> None:
        """Ends when the pod's side has. The client's end is told to the pod, whose answer may still flow; one that says
        nothing more is left: the client may be gone altogether, which looks the same."""
        loop = asyncio.get_running_loop()
        patience, reads = asyncio.timeout(None), True

        async def upstream() -> None:
            while (piece := await forward.inbox.get()) is not None:
                await connection.write(piece)
            await connection.end()
            if reads:
                patience.reschedule(loop.time() + _LAST_WORDS_S)

        sending = asyncio.create_task(upstream())
        try:
            async with patience:
                while piece := await connection.read(CHUNK):
                    patience.reschedule(None)  # a client that reads slowly is none of the pod's silence
                    reads = False
                    self._session.send(forward.data, piece)
                    await self._flush()
                    reads = True
                    if sending.done():
                        patience.reschedule(loop.time() + _LAST_WORDS_S)
        except OSError:  # also the end of patience
            return
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending

    async def _flush(self) -> None:
        async with self._sending:
            out = self._session.take_output()
            if out:
                await self._socket.send(out)


async def serve_channels(
    socket: WebSocket, protocol: ChannelProtocol, ports: Sequence[int], dial: Dial
) -> None:
    """The older form: every port is dialled at once. Ends when every pod-side connection has, or the client leaves."""
    await socket.accept(protocol.name)
    connections: dict[int, Connection] = {}
    async with asyncio.TaskGroup() as group:
        for index, port in enumerate(ports):
            stamp = struct.pack("<H", port)
            await socket.send(protocol.encode(index * 2, stamp))
            await socket.send(protocol.encode(index * 2 + 1, stamp))
            try:
                connections[index] = await dial(port)
            except (RuntimeFailure, OSError) as error:
                text = f"error forwarding port {port} to pod: {error}"
                await socket.send(protocol.encode(index * 2 + 1, text.encode()))
        readers = [
            group.create_task(_read_channel(socket, protocol, index * 2, connection))
            for index, connection in connections.items()
        ]
        writer = group.create_task(_write_channels(socket, protocol, connections))
        if readers:  # the client may be long done writing: what it waits for is the end of the answers
            ended = group.create_task(asyncio.wait(readers))
            await asyncio.wait([ended, writer], return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
        for task in (*readers, writer):
            task.cancel()
    for connection in connections.values():
        await connection.close()
    await socket.close(1000)


async def _write_channels(
    socket: WebSocket, protocol: ChannelProtocol, connections: Mapping[int, Connection]
) -> None:
    """Until the client leaves."""
    while (message := await socket.receive()) is not None:
        decoded = protocol.decode(message)
        if decoded and decoded[0] % 2 == 0 and decoded[0] // 2 in connections:
            with suppress(OSError):
                await connections[decoded[0] // 2].write(decoded[1])


async def _read_channel(
    socket: WebSocket, protocol: ChannelProtocol, channel: int, connection: Connection
) -> None:
    with suppress(OSError):
        while piece := await connection.read(CHUNK):
            await socket.send(protocol.encode(channel, piece))
