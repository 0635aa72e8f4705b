"""The NodeConnector over TLS: asyncio streams with httptools for logs, the `websockets` client for the rest.

One connection per exchange; leaving the block closes it. The client certificate proves to the agent that the API
server calls; the agent's certificate is checked against the cluster's CA by its address.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

from api.resource import Obj
from apiserver.nodeconnector import NodeRefused, NodeSocket, NodeStream, NodeUnreachable, Query, node_address
from client.subprotocols import accept_kubernetes_subprotocols

_CONNECT_TIMEOUT_S = 10.0
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024


def _target(path: str, query: Query) -> str:
    return quote(path) + (f"?{urlencode(query)}" if query else "")


def _host(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class TlsNodeConnector:
    """`context` carries the client certificate and the CA; None speaks plain HTTP (tests on loopback)."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context

    @asynccontextmanager
    async def stream(self, node: Obj, path: str, query: Query) -> AsyncIterator[NodeStream]:
        host, port = node_address(node)
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(host, port, ssl=self._context)
        except (OSError, TimeoutError) as error:
            raise NodeUnreachable(f"dial tcp {_host(host, port)}: {error or 'timed out'}") from error
        try:
            request = f"GET {_target(path, query)} HTTP/1.1\r\nHost: {_host(host, port)}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode("latin-1"))
            body = _Body(reader)
            try:
                async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                    await body.head()
            except (OSError, TimeoutError) as error:
                raise NodeUnreachable(
                    f"{_host(host, port)} does not answer: {error or 'timed out'}"
                ) from error
            yield body
        finally:
            writer.close()

    @asynccontextmanager
    async def websocket(
        self, node: Obj, path: str, query: Query, subprotocols: Sequence[str]
    ) -> AsyncIterator[NodeSocket]:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus

        accept_kubernetes_subprotocols()
        host, port = node_address(node)
        scheme = "ws" if self._context is None else "wss"
        uri = f"{scheme}://{_host(host, port)}{_target(path, query)}"
        options: dict[str, Any] = {} if self._context is None else {"ssl": self._context}
        if subprotocols:
            options["additional_headers"] = {"Sec-WebSocket-Protocol": ", ".join(subprotocols)}
        try:
            socket = await connect(
                uri,
                create_connection=_connection,
                compression=None,
                open_timeout=_CONNECT_TIMEOUT_S,
                max_size=_MAX_MESSAGE_BYTES,
                proxy=None,
                **options,
            )
        except InvalidStatus as error:
            raise NodeRefused(error.response.status_code, bytes(error.response.body or b"")) from error
        except (OSError, TimeoutError, InvalidHandshake) as error:
            raise NodeUnreachable(f"dial tcp {_host(host, port)}: {error or 'timed out'}") from error
        try:
            yield _Socket(socket)
        finally:
            await socket.close()


def _connection(protocol: Any, **options: Any) -> Any:
    """A connection that takes any subprotocol: the library refuses the slash in SPDY/3.1+portforward.k8s.io."""
    from websockets.asyncio.client import ClientConnection

    protocol.process_subprotocol = lambda headers: headers.get("Sec-WebSocket-Protocol")
    return ClientConnection(protocol, **options)


class _Socket:
    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.subprotocol: str = socket.subprotocol or ""

    async def send(self, data: bytes | str) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(data)
        except ConnectionClosed as error:
            raise OSError("the node closed the connection") from error

    async def receive(self) -> bytes | str | None:
        from websockets.exceptions import ConnectionClosed

        try:
            message: bytes | str = await self._socket.recv()
        except ConnectionClosed:
            return None
        return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._socket.close(code, reason)


class _Body:
    """A response read by httptools: status and headers first, then pieces as they come."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        from httptools import HttpResponseParser

        self._reader = reader
        self._parser = HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._whole_head = False
        self._ended = False
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._seen: dict[str, str] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._seen[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.headers = self._seen
        self._whole_head = True

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._ended = True

    async def _more(self) -> None:
        data = await self._reader.read(65536)
        if not data:
            if not self._whole_head:
                raise ConnectionResetError("the connection was closed before an answer")
            self._ended = True
            return
        self._parser.feed_data(data)

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
