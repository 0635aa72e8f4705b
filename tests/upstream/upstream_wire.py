"""One HTTP/1.1 request on a connection of its own, as plain as a request can be: nothing is added or followed that was not asked for.

The same client speaks to upstream's server and to kctl's, so that a difference in the answers is the servers'.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httptools

_BLOCK = 1 << 16


@dataclass(frozen=True)
class Server:
    """Where one listens, and the bearer token of its administrator."""

    port: int
    token: str
    context: ssl.SSLContext | None = None
    host: str = "127.0.0.1"


@dataclass
class Answer:
    """`pieces` gives the body as it comes; it ends with the answer or with the connection."""

    status: int
    headers: list[tuple[str, str]]
    pieces: AsyncIterator[bytes]

    async def body(self) -> bytes:
        return b"".join([piece async for piece in self.pieces])

    async def lines(self) -> AsyncIterator[bytes]:
        rest = b""
        async for piece in self.pieces:
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line
        if rest:
            yield rest


@dataclass
class _Parsed:
    """What httptools calls back."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    begun: bool = False
    ended: bool = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.decode("utf-8", "replace")))

    def on_headers_complete(self) -> None:
        self.begun = True

    def on_body(self, data: bytes) -> None:
        self.data.append(data)

    def on_message_complete(self) -> None:
        self.ended = True


def _request(
    server: Server, method: str, target: str, headers: Mapping[str, str | None], body: bytes
) -> bytes:
    sent: dict[str, str | None] = {
        "host": f"{server.host}:{server.port}",
        "authorization": f"Bearer {server.token}",
        "user-agent": "upstream-test/1",
        "accept": "application/json",
        "connection": "close",
    }
    if body:
        sent["content-type"] = "application/json"
    sent |= {name.lower(): value for name, value in headers.items()}
    if (body or method in ("POST", "PUT", "PATCH")) and "transfer-encoding" not in sent:
        sent["content-length"] = str(len(body))
    lines = [f"{name}: {value}" for name, value in sent.items() if value is not None]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode() + body


@asynccontextmanager
async def exchange(
    server: Server, method: str, target: str, headers: Mapping[str, str | None], body: bytes = b""
) -> AsyncIterator[Answer]:
    """The answer once its headers are here. A header of value None is left out of the request."""
    reader, writer = await asyncio.open_connection(server.host, server.port, ssl=server.context)
    try:
        with contextlib.suppress(ConnectionError):  # who refuses a large body may hang up while it is sent
            writer.write(_request(server, method, target, headers, body))
            await writer.drain()
        parsed = _Parsed()
        parser = httptools.HttpResponseParser(parsed)
        while not parsed.begun:
            if not (block := await reader.read(_BLOCK)):
                raise ConnectionError(f"{method} {target}: hung up without an answer")
            parser.feed_data(block)

        async def pieces() -> AsyncIterator[bytes]:
            while method != "HEAD":
                for piece in parsed.data:
                    yield piece
                parsed.data.clear()
                if parsed.ended or not (block := await reader.read(_BLOCK)):
                    return
                parser.feed_data(block)

        yield Answer(parser.get_status_code(), parsed.headers, pieces())
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
