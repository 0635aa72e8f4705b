"""One side of a SPDY/3.1 session, sans-IO: bytes in → events, calls → bytes out.

As much of the protocol as Kubernetes' streams use (exec, attach, port-forward), plain or tunnelled through a websocket:
streams with headers, data both ways, half-closed and reset streams, pings, goodbyes. Windows are not kept, their frames
are read over: spdystream, the library on the other side, neither heeds nor sends them, and would starve a peer that waits
for them. So what bounds memory is the connection's own flow control: who cannot take more stops reading.

Invariants: the data of a frame is told as it comes, never gathered; events are told only of streams that the peer has
opened or that were opened here; nothing is sent on a stream after its end or its reset, whoever asks for it.
Source: SPDY Protocol Draft 3.1; github.com/moby/spdystream.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from machinery.spdy.headers import HeaderError, HeaderReader, HeaderWriter

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FLAG_FIN, FLAG_UNIDIRECTIONAL = 0x01, 0x02
VERSION = 3
PROTOCOL_ERROR, REFUSED_STREAM, CANCEL = 1, 3, 5  # of a reset
MOST_CONTROL_BYTES = 64 * 1024  # of a frame that is no data
MOST_STREAMS = 4096
_HEAD = 8
_LEAST = {
    SYN_STREAM: 10,
    SYN_REPLY: 4,
    RST_STREAM: 8,
    SETTINGS: 4,
    PING: 4,
    GOAWAY: 4,
    HEADERS: 4,
    WINDOW_UPDATE: 8,
}


class SpdyError(Exception):
    """The peer broke the protocol; the session is over."""


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """To be answered by `reply` or `reset`. `fin`: the peer sends nothing on it."""

    stream: int
    headers: Mapping[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class DataReceived:
    """A piece of a stream's data; `fin` with the last one, which may be empty."""

    stream: int
    data: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class StreamReset:
    """Both directions of it are over."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """The peer opens no more streams."""


Event = StreamOpened | DataReceived | StreamReset | SessionClosed


class SpdySession:
    """`receive` takes bytes as they come; what has to be sent is in `take_output`."""

    def __init__(self, *, client: bool = False, most_streams: int = MOST_STREAMS) -> None:
        self._client = client
        self._most_streams = most_streams
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._reader, self._writer = HeaderReader(), HeaderWriter()
        self._next_id = 1 if client else 2
        self._last_id = 0  # of the streams that the peer opened
        self._coming: set[int] = set()  # streams that the peer may still send on
        self._going: set[int] = set()  # streams that may still be sent on
        self._data = (0, 0, False)  # (stream, bytes to come, fin) of the frame that is being received

    def receive(self, data: bytes) -> Sequence[Event]:
        """Raises SpdyError."""
        buffer = self._buffer
        buffer += data
        events: list[Event] = []
        while True:
            stream, left, fin = self._data
            if left:
                if not buffer:
                    return events
                piece = bytes(buffer[:left])
                del buffer[:left]
                left -= len(piece)
                self._data = (stream, left, fin)
                self._take_data(events, stream, piece, fin=fin and not left)
                continue
            if len(buffer) < _HEAD:
                return events
            length = int.from_bytes(buffer[5:_HEAD], "big")
            if buffer[0] & 0x80:
                if length > MOST_CONTROL_BYTES:
                    raise SpdyError(f"a control frame of {length} bytes came")
                if len(buffer) < _HEAD + length:
                    return events
                head, payload = bytes(buffer[:_HEAD]), bytes(buffer[_HEAD : _HEAD + length])
                del buffer[: _HEAD + length]
                self._take_control(events, head, payload)
            else:
                stream, fin = _stream_id(buffer), bool(buffer[4] & FLAG_FIN)
                del buffer[:_HEAD]
                self._data = (stream, length, fin)
                if not length:
                    self._take_data(events, stream, b"", fin=fin)

    def take_output(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    def open_stream(self, headers: Mapping[str, str], *, fin: bool = False) -> int:
        """Returns the new stream's id: odd for the client's, even for the server's."""
        stream = self._next_id
        self._next_id += 2
        self._coming.add(stream)
        if not fin:
            self._going.add(stream)
        block = struct.pack(">IIBB", stream, 0, 0, 0) + self._writer.write(headers)
        self._emit(SYN_STREAM, FLAG_FIN if fin else 0, block)
        return stream

    def reply(self, stream: int, headers: Mapping[str, str] | None = None, *, fin: bool = False) -> None:
        """Accept a stream that the peer has opened. Not for one on which only the peer sends."""
        if stream not in self._going:
            return
        if fin:
            self._going.discard(stream)
        block = struct.pack(">I", stream) + self._writer.write(headers or {})
        self._emit(SYN_REPLY, FLAG_FIN if fin else 0, block)

    def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        """At most 16 MiB at once. Goes nowhere where the stream has ended or was reset."""
        if stream not in self._going:
            return
        if fin:
            self._going.discard(stream)
        self._out.append(
            struct.pack(">I", stream) + bytes((FLAG_FIN if fin else 0,)) + len(data).to_bytes(3, "big")
        )
        self._out.append(data)

    def reset(self, stream: int, status: int = CANCEL) -> None:
        """End both directions of a stream; of one that has ended in both, nothing is told."""
        if stream in self._going or stream in self._coming:
            self._forget(stream)
            self._emit(RST_STREAM, 0, struct.pack(">II", stream, status))

    def ping(self, number: int) -> None:
        """`number` is odd for a client, even for a server."""
        self._emit(PING, 0, struct.pack(">I", number))

    def go_away(self) -> None:
        self._emit(GOAWAY, 0, struct.pack(">II", self._last_id, 0))

    def _take_data(self, events: list[Event], stream: int, piece: bytes, *, fin: bool) -> None:
        if stream in self._coming:  # what was sent before a reset was heard of is dropped
            if fin:
                self._coming.discard(stream)
            if piece or fin:
                events.append(DataReceived(stream, piece, fin))

    def _take_control(self, events: list[Event], head: bytes, payload: bytes) -> None:
        version = int.from_bytes(head[:2], "big") & 0x7FFF
        type_, flags = int.from_bytes(head[2:4], "big"), head[4]
        if version != VERSION:
            raise SpdyError(f"a frame of version {version} came, {VERSION} is spoken here")
        if type_ not in _LEAST:
            raise SpdyError(f"an unknown control frame {type_} came")
        if len(payload) < _LEAST[type_]:
            raise SpdyError(f"a control frame {type_} is cut short")
        stream = _stream_id(payload)
        if type_ == SYN_STREAM:
            self._take_stream(events, stream, self._read(payload[10:]), flags)
        elif type_ in (SYN_REPLY, HEADERS):
            self._read(payload[4:])  # keeps the compression in step
            self._take_data(events, stream, b"", fin=bool(flags & FLAG_FIN))
        elif type_ == RST_STREAM:
            if stream in self._coming or stream in self._going:
                self._forget(stream)
                events.append(StreamReset(stream, int.from_bytes(payload[4:8], "big")))
        elif type_ == PING:
            if (int.from_bytes(payload[:4], "big") % 2 == 0) is self._client:  # the peer's own are answered
                self._emit(PING, 0, payload[:4])
        elif type_ == GOAWAY:
            events.append(SessionClosed())

    def _take_stream(self, events: list[Event], stream: int, headers: Mapping[str, str], flags: int) -> None:
        if stream <= self._last_id or (stream % 2 == 1) is self._client:
            self._emit(RST_STREAM, 0, struct.pack(">II", stream, PROTOCOL_ERROR))
            return
        self._last_id = stream
        if len(self._coming | self._going) >= self._most_streams:
            self._emit(RST_STREAM, 0, struct.pack(">II", stream, REFUSED_STREAM))
            return
        fin = bool(flags & FLAG_FIN)
        if not fin:
            self._coming.add(stream)
        if not flags & FLAG_UNIDIRECTIONAL:
            self._going.add(stream)
        events.append(StreamOpened(stream, headers, fin))

    def _forget(self, stream: int) -> None:
        self._coming.discard(stream)
        self._going.discard(stream)

    def _read(self, block: bytes) -> Mapping[str, str]:
        try:
            return self._reader.read(block)
        except HeaderError as error:
            raise SpdyError(str(error)) from error

    def _emit(self, type_: int, flags: int, payload: bytes) -> None:
        head = struct.pack(">HHB", 0x8000 | VERSION, type_, flags) + len(payload).to_bytes(3, "big")
        self._out.append(head + payload)


def _stream_id(data: bytes | bytearray) -> int:
    return int.from_bytes(data[:4], "big") & 0x7FFFFFFF
