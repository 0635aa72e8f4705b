"""A blocking HTTP/1.1 connection, small enough to import in a millisecond (`http.client` takes twenty).

One exchange at a time: `Connection.request()` sends and returns the `Answer` as soon as its headers are there;
the body is then read whole, in pieces or line by line. A connection whose last answer was read to its end is
used again. Everything that goes wrong on the wire is an OSError: `Disconnected` where the server closed before
one byte of an answer came, `ProtocolError` where what came is no HTTP.

Source: RFC 9112.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence

_MAX_LINE_BYTES = 65536
_MAX_HEADERS = 200
_MAX_BODY_BYTES = 1 << 29  # read into memory at once
_MAX_EVENT_BYTES = 1 << 26  # one line of a stream


class ProtocolError(OSError):
    """What came is not HTTP/1.1, or ended in the middle."""


class Disconnected(OSError):
    """The server closed the connection before it answered: an idle one that it had given up."""


class Answer:
    """Status and headers (names in lower case), and the body to be read once. A context manager: left before the
    body is read out, it closes the connection, which then cannot be used again."""

    def __init__(
        self, connection: Connection, status: int, headers: list[tuple[str, str]], *, bodyless: bool
    ):
        self.status = status
        self.headers = headers
        self.connection = connection
        self._file = connection.file
        self._chunked = self.header("transfer-encoding").lower() == "chunked"
        length = self.header("content-length")
        self._until_close = not self._chunked and not length and not bodyless
        if length and not (length.isascii() and length.isdigit() and len(length) < 19):
            raise ProtocolError(f"a content-length of {length[:40]!r}")
        self._left = int(length) if length and not self._chunked and not bodyless else 0
        self.done = bodyless or not (self._chunked or self._left or self._until_close)
        self._chunk_open = False
        if self.header("connection").lower() == "close" or self._until_close:
            connection.reusable = False

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def read1(self, limit: int = 65536) -> bytes:
        """What is there, at least one byte; empty at the end."""
        if self._chunked and not self.done and not self._left:
            self._next_chunk()
        if self.done:
            return b""
        data = self._file.read1(limit if self._until_close else min(limit, self._left))
        if not data:
            if not self._until_close:
                self.connection.close()
                raise ProtocolError("the answer ended too early")
            self.done = True
        elif not self._until_close:
            self._left -= len(data)
            self.done = not self._left and not self._chunked
        return data

    def read(self) -> bytes:
        pieces, size = [], 0
        for piece in self.chunks():
            pieces.append(piece)
            size += len(piece)
            if size > _MAX_BODY_BYTES:
                self.connection.close()
                raise ProtocolError(f"an answer of more than {_MAX_BODY_BYTES >> 20} MiB")
        return b"".join(pieces)

    def chunks(self) -> Iterator[bytes]:
        while data := self.read1():
            yield data

    def __iter__(self) -> Iterator[bytes]:
        """Lines as they come, each with its newline; the last may have none."""
        rest = b""
        for data in self.chunks():
            lines = (rest + data).split(b"\n")
            rest = lines.pop()
            if len(rest) > _MAX_EVENT_BYTES:
                self.connection.close()
                raise ProtocolError(f"a line of more than {_MAX_EVENT_BYTES >> 20} MiB")
            for line in lines:
                yield line + b"\n"
        if rest:
            yield rest

    def _next_chunk(self) -> None:
        if self._chunk_open:
            self.connection.read_line()
        size = self.connection.read_line().partition(b";")[0].strip()
        if not size or len(size) > 15 or size.strip(b"0123456789abcdefABCDEF"):
            raise ProtocolError(f"a chunk of size {size[:20]!r}")
        self._left = int(size, 16)
        self._chunk_open = True
        if not self._left:
            while self.connection.read_line():
                pass
            self.done = True

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.done or not self.connection.reusable:
            self.connection.close()


class Connection:
    """To `host`:`port`, over TLS where there is a context. Raises OSError (ssl.SSLError is one) where it cannot."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        *,
        server_name: str = "",
        timeout_s: float | None = None,
    ) -> None:
        self._host_header = (f"[{host}]" if ":" in host else host) + f":{port}"
        # Names as bytes are taken as they are; text would go through the idna codec, which is slow to load.
        self._socket = _open(host.encode("ascii" if host.isascii() else "idna"), port, timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            name = (server_name or host).encode("ascii")
            try:
                self._socket = tls.wrap_socket(self._socket, server_hostname=name)
            except BaseException:
                self._socket.close()
                raise
        self.file = self._socket.makefile("rb")
        self.reusable = True
        self._answer_open: Answer | None = None

    @property
    def free(self) -> bool:
        """Can it take a request now? Not while an answer is still being read."""
        return self.reusable and (self._answer_open is None or self._answer_open.done)

    def request(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes | None = None
    ) -> Answer:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host_header}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body or b'')}")
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
            raise ProtocolError("a line break in a header")
        try:
            self._socket.sendall(head.encode("latin-1") + b"\r\n\r\n" + (body or b""))
        except (BrokenPipeError, ConnectionResetError) as error:
            # An early refusal (413) may lie there to be read although the server took no more of the body.
            return self._answer(method, error)
        return self._answer(method)

    def _answer(self, method: str, failed: OSError | None = None) -> Answer:
        while True:
            try:
                first = self.read_line(at_start=True)
            except OSError:
                if failed is not None:
                    raise Disconnected(str(failed)) from failed
                raise
            version, _, rest = first.partition(b" ")
            code = rest[:3]
            if not version.startswith(b"HTTP/1.") or not code.isdigit():
                raise self._refused(first)
            headers = self._read_headers()
            if not code.startswith(b"1") or code == b"101":
                break
        if version == b"HTTP/1.0":
            self.reusable = False
        status = int(code)
        bodyless = status in (204, 304) or method == "HEAD"
        self._answer_open = Answer(self, status, headers, bodyless=bodyless)
        return self._answer_open

    def _read_headers(self) -> list[tuple[str, str]]:
        headers: list[tuple[str, str]] = []
        while line := self.read_line():
            name, colon, value = line.partition(b":")
            if not colon or len(headers) >= _MAX_HEADERS:
                raise self._refused(line)
            headers.append((name.decode("latin-1").lower(), value.decode("latin-1").strip()))
        return headers

    def read_line(self, *, at_start: bool = False) -> bytes:
        """Without its line end."""
        try:
            line = self.file.readline(_MAX_LINE_BYTES)
        except ConnectionResetError as error:
            if at_start:
                raise Disconnected(str(error)) from error
            raise
        if line.endswith(b"\n"):
            return line.rstrip(b"\r\n")
        if not line and at_start:
            raise Disconnected("the server closed the connection without an answer")
        raise self._refused(line)

    def _refused(self, line: bytes) -> ProtocolError:
        self.close()
        return ProtocolError(f"not an HTTP answer: {line[:60]!r}" if line else "the answer ended too early")

    def close(self) -> None:
        self.reusable = False
        self.file.close()
        self._socket.close()


def _open(host: bytes, port: int, timeout_s: float | None) -> socket.socket:
    """The first address that answers. Raises the last one's error."""
    trouble: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        opened = socket.socket(family, kind, protocol)
        opened.settimeout(timeout_s)
        try:
            opened.connect(address)
        except OSError as error:
            trouble = error
            opened.close()
        else:
            return opened
    raise trouble or OSError(f"{host.decode()} has no address")
