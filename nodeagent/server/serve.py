"""The streaming server on a TLS port: uvicorn, imported when the first caller comes.

Only the API server may call: the client certificate must be signed by the cluster's CA and name an allowed user or
group. Until somebody connects, the port is an open listener and no web server is in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from client import listening
from client.logs import get_logger
from client.subprotocols import accept_kubernetes_subprotocols
from machinery.clock import Clock
from nodeagent.certificates import newest_pair
from nodeagent.server.asgi import Receive, Scope, Send

App = Callable[[Scope, Receive, Send], Awaitable[None]]
FOLLOW_EVERY_S = 10.0
log = get_logger("nodeagent.server")


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Without certificates the server speaks plain HTTP and should listen on loopback only."""

    host: str
    port: int
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    renewed_file: str = ""  # certificate and key in one; shown once it is there and outlasts the given ones
    allowed_users: frozenset[str] = frozenset(("kube-apiserver-kubelet-client",))
    allowed_groups: frozenset[str] = frozenset(("system:masters",))

    def pair(self) -> tuple[str, str]:
        """Files of the certificate and the key to show now."""
        return newest_pair(self.cert_file, self.key_file, self.renewed_file)


def listen(host: str, port: int) -> socket.socket:
    """Raises OSError when the port is taken."""
    return listening.inherited(host, port) or listening.listen(host, port, 128)


async def serve(app: App, config: ServeConfig, sock: socket.socket, clock: Clock) -> None:
    """Serves on the listener until cancelled."""
    await _first_caller(sock)
    import uvicorn

    accept_kubernetes_subprotocols()

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # signals belong to the component's main

    options: dict[str, Any] = {}
    if config.cert_file:
        certificate, key = config.pair()
        options = {
            "ssl_certfile": certificate,
            "ssl_keyfile": key,
            "ssl_ca_certs": config.client_ca_file,
            "ssl_cert_reqs": ssl.CERT_REQUIRED if config.client_ca_file else ssl.CERT_NONE,
        }
    server = Server(
        uvicorn.Config(
            app,
            http=_protocol(config) if config.client_ca_file else "httptools",
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            ws_max_size=64 << 20,
            ws_per_message_deflate=False,
            ws_ping_timeout=None,  # a caller that is held back reads no pings either
            timeout_graceful_shutdown=1,
            server_header=False,
            **options,
        )
    )
    server.config.load()
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[sock]))
        following = group.create_task(_follow_files(config, server.config.ssl, clock))
        await asyncio.wait([serving])
        following.cancel()


async def _follow_files(config: ServeConfig, context: ssl.SSLContext | None, clock: Clock) -> None:
    """New connections are shown the newest certificate. Files that do not fit yet are tried again."""
    if context is None:
        return
    known = _marks(config)
    while True:
        await clock.sleep(FOLLOW_EVERY_S)
        marks = _marks(config)
        if marks == known:
            continue
        try:
            context.load_cert_chain(*config.pair())
        except (OSError, ssl.SSLError) as error:
            log.warning("a changed certificate cannot be used yet", file=config.cert_file, error=str(error))
        else:
            known = marks


def _marks(config: ServeConfig) -> list[tuple[int, int]]:
    found = []
    for path in config.pair():
        with contextlib.suppress(OSError):
            stat = os.stat(path)
            found.append((stat.st_mtime_ns, stat.st_ino))
    return found


async def _first_caller(sock: socket.socket) -> None:
    """Returns when a connection waits to be accepted."""
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sock, called.set)
    try:
        await called.wait()
    finally:
        loop.remove_reader(sock)


def is_allowed(certificate: Mapping[str, Any] | None, config: ServeConfig) -> bool:
    """Whether the verified client certificate names the API server."""
    subject: dict[str, list[str]] = {}
    for rdn in (certificate or {}).get("subject", ()):
        for name, value in rdn:
            subject.setdefault(name, []).append(value)
    users = set(subject.get("commonName", ()))
    groups = set(subject.get("organizationName", ()))
    return bool(users & config.allowed_users or groups & config.allowed_groups)


def _protocol(config: ServeConfig) -> Any:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class ClientCertProtocol(HttpToolsProtocol):
        """Cuts off whoever is not the API server, before the first request is read: also one that came along with the end
        of the handshake, which a transport still hands over while it closes."""

        refused = False

        def data_received(self, data: bytes) -> None:
            if not self.refused:
                super().data_received(data)

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            tls = transport.get_extra_info("ssl_object")
            if tls is None or not is_allowed(tls.getpeercert(), config):
                self.refused = True
                log.warning("a caller that is not the API server was cut off")
                transport.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                transport.close()

    return ClientCertProtocol
