"""An ASGI application on sockets: TLS with optional client certificates, several addresses, a stop that drains."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiserver.http.protocol import Connection
from apiserver.http.served import Limits, Served
from client.listening import inherited, listen

if TYPE_CHECKING:
    from apiserver.http.websocket import WebSockets

_BACKLOG = 2048
_CROWD = 256
_GIVE_BACK_S = 60.0  # after fewer
_HANDSHAKE_S = 20.0
_MOST_CONNECTIONS = 16_384
_FAREWELL_S = 5.0  # for a client to answer TLS's goodbye


def server_context(certificate: Path, key: Path, client_cas: Iterable[Path]) -> ssl.SSLContext:
    """TLS 1.2 or newer; client certificates are asked for, and checked when shown, if there are CAs for them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = (
        0  # no client of Kubernetes resumes a session, and two tickets cost a tenth of a handshake
    )
    for client_ca in client_cas:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def plan_connections(files: int) -> int:
    """How many may be open in a process that may open so many `files`: it needs some for itself, and one for each session on
    a node. Upstream sets no bound but that of files, at which it can open no more of its own."""
    return min(files * 3 // 4, _MOST_CONNECTIONS)


def _give_memory_back() -> None:
    """What TLS and buffers of a crowd of connections took, or a few slow readers of old lists, lies scattered in the allocator's
    hands. A tenth of a millisecond for each MiB; a third of one where there is nothing. (To have glibc give back large pieces
    by itself, M_MMAP_THRESHOLD, makes every request dearer: each read from TLS takes 256 KiB for a moment.)"""
    import ctypes

    with contextlib.suppress(AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


class Listener:
    """Serves `app` on every (host, port). Port 0 takes a free one, told by `ports` once started. `tunnels`: the
    paths whose websockets the application passes on unread, rather than speaking them itself."""

    def __init__(
        self,
        app: Any,
        addresses: Sequence[tuple[str, int]],
        context: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        *,
        tunnels: Callable[[str], bool] | None = None,
    ) -> None:
        self._app = app
        self._addresses = addresses
        self._context = context
        self._limits = limits or Limits()
        self._tunnels = tunnels
        self._servers: list[asyncio.Server] = []
        self._served: Served | None = None
        self._websockets: WebSockets | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._given_back_s = float("-inf")
        self.ports: list[int] = []

    async def start(self) -> None:
        """Raises OSError where an address cannot be had (in use, not ours)."""
        loop = asyncio.get_running_loop()
        served = self._served = Served(self._app, loop, self._limits, self._upgrade, self._tunnels)
        served.upgraded = lambda: len(self._websockets or ())
        timeouts: dict[str, Any] = {}
        if self._context is not None:
            timeouts = {"ssl_handshake_timeout": _HANDSHAKE_S, "ssl_shutdown_timeout": _FAREWELL_S}
        for host, port in self._addresses:
            server = await loop.create_server(
                lambda: Connection(served),
                sock=inherited(host, port) or listen(host, port, _BACKLOG),
                ssl=self._context,
                backlog=_BACKLOG,
                **timeouts,
            )
            self._servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])
        self._sweep()

    def _upgrade(self, transport: asyncio.Transport, head: bytes, rest: bytes) -> None:
        if self._websockets is None:
            from apiserver.http.websocket import WebSockets

            self._websockets = WebSockets(self._app, self._limits)
        self._websockets.take(transport, head, rest)

    def _sweep(self) -> None:
        assert self._served is not None
        self._served.sweep()
        now_s = self._served.loop.time()
        if self._served.lost >= _CROWD or (self._served.lost and now_s >= self._given_back_s + _GIVE_BACK_S):
            self._served.lost, self._given_back_s = 0, now_s
            _give_memory_back()
        limits = self._limits
        every_s = min(limits.head_s, limits.request_s, limits.idle_s, limits.write_s, limits.close_s) / 8
        self._sweeping = self._served.loop.call_later(every_s, self._sweep)

    async def stop(self, grace_s: float = 5.0) -> None:
        """No new connections; requests under way get `grace_s`, then their connections are closed."""
        for server in self._servers:
            server.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._served is None:
            return
        self._served.stopping = True
        connections = list(self._served.connections)
        for connection in connections:
            connection.stop()
        tasks: set[asyncio.Task[Any]] = set(self._served.forsaken)
        tasks |= {task for connection in connections if (task := connection.busy) is not None}
        if self._websockets is not None:
            tasks |= self._websockets.stop()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=1.0)
        for connection in list(self._served.connections):
            connection.leave()
