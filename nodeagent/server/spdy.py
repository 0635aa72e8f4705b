"""SPDY/3.1 framing, sans-IO: bytes in → events, calls → bytes out. As much of it as port forwarding uses.

kubectl tunnels one SPDY session through binary WebSocket messages and opens two streams per connection. Header
blocks are compressed with one zlib stream per direction and the protocol's own dictionary. Flow control windows
are not kept: the peers of this protocol (spdystream) do not either.
Source: SPDY Protocol Draft 3.1.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FLAG_FIN = 0x01
VERSION = 3
MAX_FRAME = 1 << 24
CANCEL, PROTOCOL_ERROR = 5, 1

_WORDS = [
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
]
_MORE_WORDS = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(struct.pack(">I", len(word)) + word.encode() for word in (*_WORDS, *_MORE_WORDS))
    + _TAIL.encode()
)


class SpdyError(Exception):
    """The peer broke the protocol; the session is over."""


@dataclass(frozen=True, slots=True)
class StreamOpened:
    stream: int
    headers: Mapping[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class DataReceived:
    stream: int
    data: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class StreamReset:
    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class SessionClosed:
    pass


Event = StreamOpened | DataReceived | StreamReset | SessionClosed


@dataclass(slots=True)
class SpdySession:
    """One side of a session. `receive` takes bytes as they come; what has to be answered is in `take_output`."""

    client: bool = False
    _buffer: bytearray = field(default_factory=bytearray)
    _out: list[bytes] = field(default_factory=list)
    _next_id: int = 0
    _inflate: zlib._Decompress = field(default_factory=lambda: zlib.decompressobj(zdict=DICTIONARY))
    _deflate: zlib._Compress = field(
        default_factory=lambda: zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    )

    def receive(self, data: bytes) -> Sequence[Event]:
        """Raises SpdyError."""
        self._buffer += data
        events: list[Event] = []
        while len(self._buffer) >= 8:
            length = int.from_bytes(self._buffer[5:8], "big")
            if len(self._buffer) < 8 + length:
                break
            head, payload = bytes(self._buffer[:8]), bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            event = self._control(head, payload) if head[0] & 0x80 else self._data(head, payload)
            if event is not None:
                events.append(event)
        return events

    def take_output(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    def open_stream(self, headers: Mapping[str, str], *, fin: bool = False) -> int:
        """Returns the new stream's id: odd for the client's, even for the server's."""
        self._next_id += 2 if self._next_id else (1 if self.client else 2)
        block = struct.pack(">IIBB", self._next_id, 0, 0, 0) + self._compress(headers)
        self._emit(SYN_STREAM, FLAG_FIN if fin else 0, block)
        return self._next_id

    def reply(self, stream: int, headers: Mapping[str, str] | None = None, *, fin: bool = False) -> None:
        self._emit(
            SYN_REPLY, FLAG_FIN if fin else 0, struct.pack(">I", stream) + self._compress(headers or {})
        )

    def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        head = struct.pack(">I", stream) + bytes((FLAG_FIN if fin else 0,)) + len(data).to_bytes(3, "big")
        self._out.append(head + data)

    def reset(self, stream: int, status: int = CANCEL) -> None:
        self._emit(RST_STREAM, 0, struct.pack(">II", stream, status))

    def go_away(self, last_stream: int = 0) -> None:
        self._emit(GOAWAY, 0, struct.pack(">II", last_stream, 0))

    def _control(self, head: bytes, payload: bytes) -> Event | None:
        version = int.from_bytes(head[:2], "big") & 0x7FFF
        type_, flags = int.from_bytes(head[2:4], "big"), head[4]
        if version != VERSION:
            raise SpdyError(f"a frame of version {version} came, {VERSION} is spoken here")
        fin = bool(flags & FLAG_FIN)
        if type_ == SYN_STREAM:
            stream = _stream_id(payload)
            return StreamOpened(stream, self._decompress(payload[10:]), fin)
        if type_ in (SYN_REPLY, HEADERS):
            self._decompress(payload[4:])  # keeps the compression in step
            return DataReceived(_stream_id(payload), b"", True) if fin else None
        if type_ == RST_STREAM:
            return StreamReset(_stream_id(payload), int.from_bytes(payload[4:8], "big"))
        if type_ == PING:
            number = int.from_bytes(payload[:4], "big")
            if (number % 2 == 0) is self.client:  # the peer's own numbers are answered
                self._emit(PING, 0, payload[:4])
            return None
        if type_ == GOAWAY:
            return SessionClosed()
        if type_ in (SETTINGS, WINDOW_UPDATE):
            return None
        raise SpdyError(f"an unknown control frame {type_}")

    @staticmethod
    def _data(head: bytes, payload: bytes) -> Event:
        return DataReceived(_stream_id(head), payload, bool(head[4] & FLAG_FIN))

    def _emit(self, type_: int, flags: int, payload: bytes) -> None:
        head = struct.pack(">HHB", 0x8000 | VERSION, type_, flags) + len(payload).to_bytes(3, "big")
        self._out.append(head + payload)

    def _compress(self, headers: Mapping[str, str]) -> bytes:
        pieces = [struct.pack(">I", len(headers))]
        for name, value in headers.items():
            texts = (name.lower().encode(), value.encode())
            pieces += [struct.pack(">I", len(text)) + text for text in texts]
        return self._deflate.compress(b"".join(pieces)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def _decompress(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block, MAX_FRAME)
            count = int.from_bytes(plain[:4], "big")
            at, words = 4, []
            for _ in range(count * 2):
                size = int.from_bytes(plain[at : at + 4], "big")
                if at + 4 + size > len(plain):
                    raise SpdyError("a header block is cut short")
                words.append(plain[at + 4 : at + 4 + size].decode("utf-8", "replace"))
                at += 4 + size
        except zlib.error as error:
            raise SpdyError(f"a header block cannot be read: {error}") from error
        return dict(zip(words[::2], words[1::2], strict=True))


def _stream_id(data: bytes) -> int:
    return int.from_bytes(data[:4], "big") & 0x7FFFFFFF
