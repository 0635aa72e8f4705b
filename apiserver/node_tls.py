"""The NodeConnector over TLS: asyncio streams with httptools for logs, the `websockets` client for the rest.

One connection per exchange; leaving the block closes it. The client certificate proves to the agent that the API
server calls; the agent's certificate is checked against the cluster's CA by its address.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

from api.resource import Obj
from apiserver.node_http import check_headers, exchange, shown
from apiserver.nodeconnector import NodeRefused, NodeSocket, NodeStream, NodeUnreachable, Query, node_address
from client.subprotocols import accept_kubernetes_subprotocols

_CONNECT_TIMEOUT_S = 10.0
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024


def _target(path: str, query: Query) -> str:
    return quote(path) + (f"?{urlencode(query)}" if query else "")


class TlsNodeConnector:
    """`context` carries the client certificate and the CA; None speaks plain HTTP (tests on loopback)."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context

    @asynccontextmanager
    async def stream(self, node: Obj, path: str, query: Query) -> AsyncIterator[NodeStream]:
        host, port = node_address(node)
        async with exchange(host, port, self._context, "GET", _target(path, query)) as answer:
            yield answer

    @asynccontextmanager
    async def websocket(
        self, node: Obj, path: str, query: Query, subprotocols: Sequence[str]
    ) -> AsyncIterator[NodeSocket]:
        host, port = node_address(node)
        async with open_socket(
            host, port, self._context, _target(path, query), subprotocols=subprotocols
        ) as socket:
            yield socket


@asynccontextmanager
async def open_socket(
    host: str,
    port: int,
    context: ssl.SSLContext | None,
    target: str,
    headers: Sequence[tuple[bytes, bytes]] = (),
    *,
    subprotocols: Sequence[str] = (),
    server_name: str = "",
) -> AsyncIterator[NodeSocket]:
    """A websocket, closed at the end. `server_name` is what the certificate must name, the host where empty. Raises
    NodeUnreachable, NodeRefused."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus
    from websockets.typing import Subprotocol

    accept_kubernetes_subprotocols()
    check_headers(headers)
    sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    options: dict[str, Any] = {} if context is None else {"ssl": context}
    if server_name:
        options["server_hostname"] = server_name
    try:
        socket = await connect(
            f"{'ws' if context is None else 'wss'}://{shown(host, port)}{target}",
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            additional_headers=sent,
            compression=None,
            ping_timeout=None,  # a node that is held back by its program reads no pings either
            open_timeout=_CONNECT_TIMEOUT_S,
            max_size=_MAX_MESSAGE_BYTES,
            proxy=None,
            **options,
        )
    except InvalidStatus as error:
        raise NodeRefused(error.response.status_code, bytes(error.response.body or b"")) from error
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise NodeUnreachable(f"dial tcp {shown(host, port)}: {error or 'timed out'}") from error
    try:
        yield _Socket(socket)
    finally:
        await socket.close()


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
