"""gRPC over one HTTP/2 connection, on the event loop: no threads, no library (decision 0005).

    call ──► HEADERS + DATA ──► gathered for one write ──► socket
    answer ◄── message ◄── frames ◄── whatever the socket gave

It is a client of gRPC servers (etcd, KMS plugins), and small for that: no pushes, no priorities, no header compression
beyond what hpack.py says, receive windows so large that a server never waits for us. It does keep to the server's send windows,
acknowledges pings and settings, and asks after a silent peer (`_KEEPALIVE_S`, which servers allow only while calls are open).
`peer` is who is spoken to, in the words of errors.

A connection that is lost, or that broke the protocol, fails everything on it with `Lost` and is not used again.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections import deque
from typing import cast

from apiserver.rpc.hpack import BadHeaders, grpc_status

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = (
    0,
    1,
    3,
    4,
    6,
    7,
    8,
    9,
)
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_CANCEL = 8  # HTTP/2's
_UNKNOWN, _UNAVAILABLE = 2, 14  # gRPC's
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW, _MAX_FRAME = 1, 2, 4, 5
_WINDOW_MAX = (1 << 31) - 1
_WINDOW_RETURN = 1 << 28  # bytes received after which the window is opened again
_FRAME_MAX = 16_384  # the largest frame that we accept, which is the default
_KEEPALIVE_S = 10.0
_SILENT_S = 5.0


class Lost(Exception):
    """The connection is gone. `sent`: whether the server may have seen the call."""

    def __init__(self, why: str, *, sent: bool = True) -> None:
        super().__init__(why)
        self.sent = sent


class RpcError(Exception):
    """The server's refusal: gRPC's status and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Stream:
    """One call: its answers in the order of their coming, then its end."""

    __slots__ = ("answers", "ended", "lasting", "number", "partial", "received", "waiter", "window")

    def __init__(self, number: int, window: int, lasting: bool) -> None:
        self.number = number
        self.lasting = lasting  # our side stays open: a watch
        self.window = window  # bytes we may send
        self.received = 0  # since the window was last opened
        self.partial = bytearray()
        self.answers: deque[bytes] = deque()
        self.ended: Exception | None = None  # RpcError with code 0: the server is done
        self.waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def read(self) -> bytes:
        """The next answer. Raises RpcError, also when the server ended the stream in good order, and Lost."""
        while not self.answers:
            if self.ended is not None:
                raise self.ended
            self.waiter = asyncio.get_running_loop().create_future()
            try:
                await self.waiter
            finally:
                self.waiter = None
        return self.answers.popleft()


class Connection(asyncio.Protocol):
    def __init__(self, peer: str = "the server") -> None:
        self._peer = peer
        self.lost: Lost | None = None
        self._retired = ""  # why no new calls are taken
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._in = b""
        self._out: list[bytes] = []
        self._flushing = False
        self._streams: dict[int, Stream] = {}
        self._next = 1
        self._window = 65_535  # bytes we may send on all streams together
        self._stream_window = 65_535  # what a new stream begins with
        self._frame_max = _FRAME_MAX
        self._received = 0
        self._queue: deque[tuple[Stream, bytes, bool]] = deque()  # what waits for a window, in order
        self._block: tuple[int, int, bytes] | None = None  # headers to be continued: stream, flags, so far
        self._heard = self._loop.time()
        self._asked = False
        self._timer: asyncio.TimerHandle | None = None

    # Calls

    async def call(self, headers: bytes, message: bytes) -> bytes:
        """One message, one answer. Raises RpcError, Lost. Cancelled, it tells the server."""
        stream = self.open(headers, message, last=True)
        try:
            answer = await stream.read()
            while stream.ended is None:
                stream.waiter = self._loop.create_future()
                await stream.waiter
        except BaseException:
            self.cancel(stream)
            raise
        if isinstance(stream.ended, RpcError) and stream.ended.code == 0:
            return answer
        raise stream.ended

    def open(self, headers: bytes, message: bytes, *, last: bool = False) -> Stream:
        """Begins a call; unless `last`, our side of it stays open. Raises Lost."""
        if not self.usable:
            raise Lost(self._retired or str(self.lost), sent=False)
        number, self._next = self._next, self._next + 2
        stream = self._streams[number] = Stream(number, self._stream_window, not last)
        self._frame(_HEADERS, _END_HEADERS, number, headers)
        data = struct.pack(">BI", 0, len(message)) + message
        self._queue.append((stream, data, last))
        self._pump()
        return stream

    @property
    def usable(self) -> bool:
        return self.lost is None and not self._retired

    def retire(self, why: str, *, watches: bool = False) -> None:
        """Takes no new calls, and closes when the last of the open ones has ended. `watches` end at once."""
        self._retired = self._retired or why
        for stream in [stream for stream in self._streams.values() if watches and stream.lasting]:
            stream.ended = Lost(why)
            self.cancel(stream)
            stream.wake()
        self._close_when_done()

    def _close_when_done(self) -> None:
        if self._retired and not self._streams:
            self._lose(self._retired)

    def cancel(self, stream: Stream) -> None:
        """Nobody wants the rest of the answer. May be called for one that has ended."""
        if self._streams.pop(stream.number, None) is not None and self.lost is None:
            self._frame(_RST_STREAM, 0, stream.number, struct.pack(">I", _CANCEL))
            self._close_when_done()

    def close(self, why: str = "") -> None:
        """Fails what is open. May be called twice."""
        self._lose(why or f"the connection to {self._peer} is closed")

    # The socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none, but is like one
        settings = ((_HEADER_TABLE_SIZE, 0), (_ENABLE_PUSH, 0), (_INITIAL_WINDOW, _WINDOW_MAX))
        self._out.append(_PREFACE)
        self._frame(_SETTINGS, 0, 0, b"".join(struct.pack(">HI", *setting) for setting in settings))
        self._frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW_MAX - 65_535))
        self._timer = self._loop.call_later(_KEEPALIVE_S, self._keep_alive)

    async def ready(self) -> None:
        """Until the server has spoken HTTP/2. Raises Lost."""
        await asyncio.shield(self._ready)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        self._asked = False
        data = self._in + data if self._in else data
        pos, size = 0, len(data)
        try:
            while size - pos >= 9:
                length = int.from_bytes(data[pos : pos + 3], "big")
                if length > _FRAME_MAX:
                    raise BadHeaders(f"a frame of {length} bytes")
                end = pos + 9 + length
                if end > size:
                    break
                number = int.from_bytes(data[pos + 5 : pos + 9], "big") & _WINDOW_MAX
                self._on_frame(data[pos + 3], data[pos + 4], number, data[pos + 9 : end])
                pos = end
        except (BadHeaders, struct.error, IndexError) as error:
            self._lose(f"{self._peer} does not speak HTTP/2 as it should: {error}")
            return
        self._in = data[pos:]

    def eof_received(self) -> None:
        return None

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(f"the connection to {self._peer} was lost: {error or f'closed by {self._peer}'}")

    def _lose(self, why: str) -> None:
        if self.lost is not None:
            return
        self.lost = Lost(why)
        if self._timer is not None:
            self._timer.cancel()
        streams, self._streams = self._streams, {}
        self._queue.clear()
        for stream in streams.values():
            stream.ended = Lost(why)
            stream.wake()
        if not self._ready.done():
            self._ready.set_exception(Lost(why, sent=False))
            self._ready.exception()  # whoever waits is told; nobody need wait
        self._flush()
        self._transport.close()

    def _keep_alive(self) -> None:
        """A silent server is asked, while something is expected of it; one that stays silent is given up."""
        now = self._loop.time()
        wait_s = _KEEPALIVE_S
        if self._asked:
            self._transport.abort()
            self._lose(f"{self._peer} has been silent for {now - self._heard:.0f} s")
            return
        if self._streams and now - self._heard >= _KEEPALIVE_S:
            self._asked = True
            self._frame(_PING, 0, 0, bytes(8))
            wait_s = _SILENT_S
        self._timer = self._loop.call_later(wait_s, self._keep_alive)

    # Frames out

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        length = len(payload)
        self._out.append(struct.pack(">BHBBI", length >> 16, length & 0xFFFF, kind, flags, number) + payload)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Everything gathered in this turn of the loop is one write."""
        self._flushing = False
        if self._out and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _pump(self) -> None:
        """Sends what the windows allow, in order."""
        queue = self._queue
        while queue:
            stream, data, last = queue[0]
            if stream.number not in self._streams:  # canceled meanwhile
                queue.popleft()
                continue
            room = min(self._window, stream.window)
            if room <= 0:
                return
            piece = data[: min(room, self._frame_max)] if len(data) > min(room, self._frame_max) else data
            rest = data[len(piece) :]
            self._window -= len(piece)
            stream.window -= len(piece)
            self._frame(_DATA, _END_STREAM if last and not rest else 0, stream.number, piece)
            if rest:
                queue[0] = (stream, rest, last)
            else:
                queue.popleft()

    # Frames in

    def _on_frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._block is not None and kind != _CONTINUATION:
            raise BadHeaders("headers that are not continued")
        if kind == _DATA:
            self._on_data(number, flags, payload)
        elif kind == _HEADERS:
            payload = _unpadded(flags, payload)
            self._on_headers(number, flags, payload[5:] if flags & _PRIORITY else payload)
        elif kind == _CONTINUATION:
            if self._block is None or self._block[0] != number:
                raise BadHeaders("a continuation of nothing")
            _, first, block = self._block
            self._block = None
            self._on_headers(number, first & ~_END_HEADERS | flags & _END_HEADERS, block + payload)
        elif kind == _WINDOW_UPDATE:
            self._on_window(number, struct.unpack(">I", payload)[0] & _WINDOW_MAX)
        elif kind == _PING:
            if not flags & _ACK:
                self._frame(_PING, _ACK, 0, payload)
        elif kind == _SETTINGS:
            if not flags & _ACK:
                self._on_settings(payload)
        elif kind == _RST_STREAM:
            why = f"{self._peer} reset the call ({int.from_bytes(payload, 'big')})"
            self._end(number, RpcError(_UNAVAILABLE, why))
        elif kind == _GOAWAY:
            self._on_goaway(payload)

    def _on_data(self, number: int, flags: int, payload: bytes) -> None:
        size = len(payload)
        self._received += size
        if self._received >= _WINDOW_RETURN:
            self._frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", self._received))
            self._received = 0
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.received += size
        if stream.received >= _WINDOW_RETURN and not flags & _END_STREAM:
            self._frame(_WINDOW_UPDATE, 0, number, struct.pack(">I", stream.received))
            stream.received = 0
        if flags & _PADDED:
            payload = _unpadded(flags, payload)
        self._take(stream, payload)
        if flags & _END_STREAM:
            self._end(number, RpcError(_UNKNOWN, "the answer ended without a status"))

    def _take(self, stream: Stream, payload: bytes) -> None:
        """Cuts messages out of the stream's bytes: a byte that says compressed, four of length, the message."""
        if (
            not stream.partial
            and len(payload) >= 5
            and len(payload) == 5 + int.from_bytes(payload[1:5], "big")
        ):
            if payload[0]:
                raise BadHeaders("a compressed message, which was not asked for")
            stream.answers.append(payload[5:])
            stream.wake()
            return
        partial = stream.partial
        partial += payload
        pos = 0
        while len(partial) - pos >= 5:
            end = pos + 5 + int.from_bytes(partial[pos + 1 : pos + 5], "big")
            if end > len(partial):
                break
            if partial[pos]:
                raise BadHeaders("a compressed message, which was not asked for")
            stream.answers.append(bytes(partial[pos + 5 : end]))
            pos = end
        if pos:
            del partial[:pos]
            stream.wake()

    def _on_headers(self, number: int, flags: int, block: bytes) -> None:
        if not flags & _END_HEADERS:
            self._block = (number, flags, block)
            return
        http, status, message = grpc_status(block)
        if status is not None:
            self._end(number, RpcError(status, message))
        elif http not in ("", "200"):
            self._end(number, RpcError(_UNAVAILABLE, f"HTTP status {http} instead of an answer"))
        elif flags & _END_STREAM:
            self._end(number, RpcError(_UNKNOWN, "the answer ended without a status"))

    def _on_window(self, number: int, more: int) -> None:
        if number == 0:
            self._window += more
        elif (stream := self._streams.get(number)) is not None:
            stream.window += more
        if self._queue:
            self._pump()

    def _on_settings(self, payload: bytes) -> None:
        for name, value in struct.iter_unpack(">HI", payload):
            if name == _INITIAL_WINDOW:
                for stream in self._streams.values():
                    stream.window += value - self._stream_window
                self._stream_window = value
            elif name == _MAX_FRAME:
                self._frame_max = value
        self._frame(_SETTINGS, _ACK, 0, b"")
        if not self._ready.done():
            self._ready.set_result(None)
        self._pump()

    def _on_goaway(self, payload: bytes) -> None:
        """No new calls. Those that the server has taken may still be answered; the others were never seen."""
        last, code = struct.unpack(">II", payload[:8])
        why = f"{self._peer} closes the connection ({code}{': ' if payload[8:] else ''}{payload[8:].decode(errors='replace')})"
        for number in [number for number in self._streams if number > last & _WINDOW_MAX]:
            self._end(number, Lost(why, sent=False))
        self.retire(why)

    def _end(self, number: int, how: Exception) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream.ended = how
            stream.wake()
            self._close_when_done()


def _unpadded(flags: int, payload: bytes) -> bytes:
    if not flags & _PADDED:
        return payload
    return payload[1 : len(payload) - payload[0]]


async def connect(target: str, tls: ssl.SSLContext | None, peer: str = "the server") -> Connection:
    """`unix:PATH` or `HOST:PORT`. Raises OSError, which ssl.SSLError is, and Lost."""
    loop = asyncio.get_running_loop()

    def make() -> Connection:
        return Connection(peer)

    if target.startswith("unix:"):
        _, connection = await loop.create_unix_connection(make, target.removeprefix("unix:"))
    else:
        host, _, port = target.rpartition(":")
        host = host.strip("[]")
        _, connection = await loop.create_connection(make, host, int(port), ssl=tls)
    try:
        await connection.ready()
    except BaseException:
        connection.close()
        raise
    return connection
