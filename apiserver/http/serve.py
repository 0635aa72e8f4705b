"""An ASGI application on sockets: TLS with optional client certificates, several addresses, a stop that drains.

uvicorn's protocols do the HTTP; its server, which wakes ten times a second, is not needed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_KEEP_ALIVE_S = 120
_BACKLOG = 2048
_MAX_WEBSOCKET_BYTES = 64 * 1024 * 1024


def server_context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer; client certificates are asked for, and checked when shown, if there is a CA for them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


class Listener:
    """Serves `app` on every (host, port). Port 0 takes a free one, told by `ports` once started."""

    def __init__(
        self, app: Any, addresses: Sequence[tuple[str, int]], context: ssl.SSLContext | None = None
    ) -> None:
        self._app = app
        self._addresses = addresses
        self._context = context
        self._servers: list[asyncio.Server] = []
        self._state: Any = None
        self.ports: list[int] = []

    async def start(self) -> None:
        """Raises OSError where an address cannot be had (in use, not ours)."""
        make = self._protocol_factory()
        loop = asyncio.get_running_loop()
        for host, port in self._addresses:
            server = await loop.create_server(make, host, port, ssl=self._context, backlog=_BACKLOG)
            self._servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])

    def _protocol_factory(self) -> Callable[[], asyncio.Protocol]:
        from uvicorn.config import Config
        from uvicorn.server import ServerState

        from apiserver.http.protocol import HttpProtocol, WebSocketProtocol

        config = Config(
            self._app,
            http=HttpProtocol,
            ws=WebSocketProtocol,
            ws_max_size=_MAX_WEBSOCKET_BYTES,
            ws_per_message_deflate=False,
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        config.load()
        self._state = ServerState()
        return lambda: HttpProtocol(config, self._state, {})

    async def stop(self, grace_s: float = 5.0) -> None:
        """No new connections; requests under way get `grace_s`, then their connections are closed."""
        for server in self._servers:
            server.close()
        if self._state is None:
            return
        for connection in list(self._state.connections):
            connection.shutdown()
        tasks = list(self._state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=1.0)
