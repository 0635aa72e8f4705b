"""One HTTP/1.1 exchange over a connection of its own, its answer read while it comes.

The server's own small client: for logs from node agents and for the proxy subresources.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from apiserver.nodeconnector import NodeUnreachable

_CONNECT_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 30.0


def shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
) -> AsyncIterator[HttpExchange]:
    """`server_name` is what the certificate must name, the host where empty. Raises NodeUnreachable while connecting or when no answer begins in time."""
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=server_name or None if context else None
            )
    except (OSError, TimeoutError) as error:
        raise NodeUnreachable(f"dial tcp {shown(host, port)}: {error or 'timed out'}") from error
    try:
        lines = [
            f"{method} {target} HTTP/1.1\r\nhost: {server_name or shown(host, port)}\r\nconnection: close\r\n".encode(
                "latin-1"
            ),
            *(b"%s: %s\r\n" % pair for pair in headers),
        ]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(b"content-length: %d\r\n" % len(body))
        writer.write(b"".join([*lines, b"\r\n", body]))
        answer = HttpExchange(reader, method)
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                await writer.drain()
                await answer.head()
        except (OSError, TimeoutError) as error:
            raise NodeUnreachable(f"{shown(host, port)} does not answer: {error or 'timed out'}") from error
        yield answer
    finally:
        writer.close()


class HttpExchange:
    """Status and headers once `head` has returned, then the body piece by piece."""

    def __init__(self, reader: asyncio.StreamReader, method: str) -> None:
        from httptools import HttpResponseParser

        self._reader = reader
        self._parser = HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._whole_head = False
        self._ended = False
        self._bodiless = method == "HEAD"
        self._seen: dict[str, str] = {}
        self.status = 0
        self.headers: Mapping[str, str] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._seen[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status == 100:
            self._seen = {}
            return
        self.headers = self._seen
        self._whole_head = True
        self._ended = self._bodiless or self.status in (204, 304)

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._ended = self._whole_head

    async def _more(self) -> None:
        data = await self._reader.read(65536)
        if data:
            self._parser.feed_data(data)
        elif self._whole_head:
            self._ended = True
        else:
            raise ConnectionResetError("the connection was closed before an answer")

    async def head(self) -> None:
        while not self._whole_head:
            await self._more()

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
        return b"".join([piece async for piece in self.chunks()])
