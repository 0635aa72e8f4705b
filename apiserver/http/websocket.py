"""Websockets: uvicorn's protocol over a connection that began as HTTP, with what it leaves out.

Imported with the first upgrade, as most servers never see one. `scope["extensions"]["tls"]` is set as for HTTP.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.http11 import Request

from client.subprotocols import accept_kubernetes_subprotocols

accept_kubernetes_subprotocols()

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """The application chooses among the offered subprotocols, and sees the caller's certificate."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        ssl_object = self.transport.get_extra_info("ssl_object")
        der = ssl_object.getpeercert(True) if ssl_object is not None else None
        if der and getattr(self, "scope", None) is not None:
            self.scope["extensions"]["tls"] = {"der": der}


class WebSockets:
    """All open websockets of one server."""

    def __init__(self, app: Any) -> None:
        self._config = Config(
            app,
            http=WebSocketProtocol,  # never asked for: HTTP is served elsewhere
            ws=WebSocketProtocol,
            ws_max_size=_MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            # Who shows a pod's output in a pager reads nothing for a while, pings neither.
            ws_ping_timeout=None,
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        self._config.load()
        self._state = ServerState()

    def take(self, transport: asyncio.Transport, head: bytes, rest: bytes) -> None:
        protocol = WebSocketProtocol(self._config, self._state, {})
        protocol.connection_made(transport)
        transport.set_protocol(protocol)
        protocol.data_received(head)
        if rest:
            protocol.data_received(rest)

    def stop(self) -> set[asyncio.Task[Any]]:
        """Asks each to end; returns what is to be waited for."""
        for connection in list(self._state.connections):
            connection.shutdown()
        return set(self._state.tasks)
