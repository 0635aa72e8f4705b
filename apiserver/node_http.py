"""One HTTP/1.1 exchange over a connection of its own, its answer read while it comes.

The server's own small client: for logs from node agents, the proxy subresources and extension API servers.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from apiserver.nodeconnector import NodeUnreachable

_CONNECT_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 30.0
_FAREWELL_S = 5.0  # for what is still to be sent at the end: whoever takes nothing is cut off
_MOST_READ_BYTES = 64 * 1024 * 1024
_MOST_HEAD_BYTES = 1024 * 1024  # and of trailers, and of interim answers
_ENDS_A_LINE = re.compile(rb"[\r\n\0]")
_BETWEEN = {"set-cookie": "\n"}  # headers that came several times; cookies hold commas
_ENDS_A_WORD = re.compile(r"[\0-\x20\x7f]|[^\0-\xff]")


def shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_headers(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raises NodeUnreachable for a header that would be read as several: users' names come from certificates and tokens,
    where anything may stand."""
    for name, value in headers:
        if _ENDS_A_LINE.search(name) or _ENDS_A_LINE.search(value):
            raise NodeUnreachable(f"invalid value of the header {name.decode('latin-1')!r}")


def _request_line(method: str, target: str) -> bytes:
    if _ENDS_A_WORD.search(target):
        raise NodeUnreachable(f"invalid request target {target!r}")
    return f"{method} {target} HTTP/1.1\r\n".encode("latin-1")


@asynccontextmanager
async def exchange(
    host: str,
    port: int,
    context: ssl.SSLContext | None,
    method: str,
    target: str,
    headers: Sequence[tuple[bytes, bytes]] = (),
    body: bytes = b"",
    *,
    server_name: str = "",
    asked_host: bytes = b"",
    upgrade: bytes = b"",
    answer_timeout_s: float | None = None,
) -> AsyncIterator[HttpExchange]:
    """`server_name` is what the certificate must name, the host where empty; `asked_host` is told in place of either. `upgrade` asks for another protocol: where
    the answer is 101, the connection's bytes follow as they are. Raises NodeUnreachable while connecting, when no answer
    begins in time, and for what cannot be sent."""
    sent = [(b"host", asked_host or (server_name or shown(host, port)).encode())]
    sent += [(b"connection", b"Upgrade"), (b"upgrade", upgrade)] if upgrade else [(b"connection", b"close")]
    sent += headers
    if body or method in ("POST", "PUT", "PATCH"):
        sent.append((b"content-length", b"%d" % len(body)))
    check_headers(sent)
    head = b"".join([_request_line(method, target), *(b"%b: %b\r\n" % pair for pair in sent), b"\r\n"])
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=server_name or None if context else None
            )
    except (OSError, TimeoutError) as error:
        raise NodeUnreachable(f"dial tcp {shown(host, port)}: {error or 'timed out'}") from error
    try:
        writer.write(head + body)
        answer = HttpExchange(reader, method, writer if upgrade else None)
        try:
            async with asyncio.timeout(answer_timeout_s or _ANSWER_TIMEOUT_S):
                await writer.drain()
                await answer.head()
        except (OSError, TimeoutError) as error:
            raise NodeUnreachable(f"{shown(host, port)} does not answer: {error or 'timed out'}") from error
        yield answer
    finally:
        transport = writer.transport
        if not transport.is_closing() and transport.get_write_buffer_size():  # TLS sees to that itself
            asyncio.get_running_loop().call_later(_FAREWELL_S, transport.abort)
        writer.close()


class HttpExchange:
    """Status and headers once `head` has returned (what comes several times is one, joined by commas, cookies by line breaks), then
    the body piece by piece; after a 101 the raw bytes, both ways.
    With a `writer`, an upgrade is asked for."""

    def __init__(
        self, reader: asyncio.StreamReader, method: str, writer: asyncio.StreamWriter | None = None
    ) -> None:
        from httptools import HttpResponseParser

        self._reader = reader
        self._writer = writer
        self._beyond = b""  # came along with the head of an upgrade
        self._parser = HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._whole_head = False
        self._ended = False
        self._barren_bytes = 0  # since the last of a body: heads, trailers
        self._bodiless = method == "HEAD"
        self._seen: dict[str, str] = {}
        self.status = 0
        self.headers: Mapping[str, str] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._whole_head:  # trailers are no headers
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            before = self._seen.get(key)
            self._seen[key] = text if before is None else f"{before}{_BETWEEN.get(key, ', ')}{text}"

    def on_headers_complete(self) -> None:
        if self._whole_head:  # an answer to what nobody asked
            return
        status = self._parser.get_status_code()
        if status < 100:
            raise ConnectionError(f"{status} is no status")
        if status == 101 and self._writer is None:
            raise ConnectionError("the answer is an upgrade that nobody asked for")
        if status < 200 and status != 101:  # another follows
            self._seen = {}
            return
        self.status = status
        self.headers = self._seen
        self._whole_head = True
        self._ended = self._bodiless or self.status in (204, 304)

    def on_body(self, body: bytes) -> None:
        self._barren_bytes = 0
        if not self._ended:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._ended = self._whole_head

    async def _more(self) -> None:
        data = await self._reader.read(65536)
        if data:
            self._feed(data)
        elif self._whole_head and {"content-length", "transfer-encoding"} & self._seen.keys():
            raise ConnectionResetError("the connection was closed within the answer")
        elif self._whole_head:
            self._ended = True
        else:
            raise ConnectionResetError("the connection was closed before an answer")

    def _feed(self, data: bytes) -> None:
        from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade

        self._barren_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as error:
            if self._writer is None:
                raise ConnectionError("the answer is an upgrade that nobody asked for") from error
            self._beyond = data[error.args[0] :]
        except HttpParserCallbackError as error:
            raise (error.__context__ if isinstance(error.__context__, ConnectionError) else error) from None
        except HttpParserError as error:
            raise ConnectionError(f"the answer is not proper HTTP: {error}") from error
        if self._barren_bytes > _MOST_HEAD_BYTES:
            raise ConnectionError(f"the answer has a head longer than {_MOST_HEAD_BYTES} bytes")

    async def head(self) -> None:
        while not self._whole_head:
            await self._more()
        if self.status == 101 and "upgrade" not in self.headers:
            raise ConnectionError("the answer switches to a protocol that it does not name")

    async def receive_raw(self) -> bytes:
        """After a 101: what comes, b"" at the end."""
        beyond, self._beyond = self._beyond, b""
        return beyond or await self._reader.read(65536)

    async def send_raw(self, data: bytes) -> None:
        """After a 101; waits for the socket to take more."""
        assert self._writer is not None
        self._writer.write(data)
        await self._writer.drain()

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            if self._pieces:
                pieces, self._pieces = self._pieces, []
                yield b"".join(pieces)
            elif self._ended:
                return
            else:
                await self._more()

    async def read(self) -> bytes:
        """The whole body. Raises ConnectionError for one that nobody should hold in memory."""
        whole = bytearray()
        async for piece in self.chunks():
            whole += piece
            if len(whole) > _MOST_READ_BYTES:
                raise ConnectionError(f"the answer is longer than {_MOST_READ_BYTES} bytes")
        return bytes(whole)
