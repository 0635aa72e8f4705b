"""The seam for the agent's own calls into pods: http, tcp and gRPC checks of probes and hooks.

Implementations: `SocketNetwork` (real connections from the node's network namespace) and
`SimulatedNetwork` (no sockets: pods answer as a callable says, 200 by default).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

Headers = Sequence[tuple[str, str]]
BODY_LIMIT = 10 * 1024
_MAX_REDIRECTS = 10


class CallFailed(Exception):
    """No answer: refused, unreachable, not understood. str() is the cause in plain words."""


class Network(Protocol):
    async def http(
        self, scheme: str, host: str, port: int, path: str, headers: Headers, timeout_s: float
    ) -> tuple[int, str]:
        """(status, start of the body) of a GET. Raises CallFailed, TimeoutError."""
        ...

    async def tcp(self, host: str, port: int, timeout_s: float) -> None:
        """Returns once connected. Raises CallFailed, TimeoutError."""
        ...


class SocketNetwork:
    async def http(
        self, scheme: str, host: str, port: int, path: str, headers: Headers, timeout_s: float
    ) -> tuple[int, str]:
        async with asyncio.timeout(timeout_s):
            for _ in range(_MAX_REDIRECTS):
                status, location, body = await self._get(scheme, host, port, path, headers)
                if status not in (301, 302, 303, 307, 308) or not location:
                    return status, body
                target = urlsplit(location)
                if target.hostname and target.hostname != host:
                    return status, body  # a redirect elsewhere counts as an answer, as upstream
                scheme = (target.scheme or scheme).upper()
                port = target.port or port
                path = (target.path or "/") + (f"?{target.query}" if target.query else "")
            raise CallFailed(f"stopped after {_MAX_REDIRECTS} redirects")

    async def tcp(self, host: str, port: int, timeout_s: float) -> None:
        async with asyncio.timeout(timeout_s):
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError as error:
                raise CallFailed(f"dial tcp {_join(host, port)}: {_plain(error)}") from error
            writer.close()

    async def _get(
        self, scheme: str, host: str, port: int, path: str, headers: Headers
    ) -> tuple[int, str, str]:
        context = _unverified() if scheme.upper() == "HTTPS" else None
        try:
            reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=64 * 1024)
        except OSError as error:
            raise CallFailed(
                f'Get "{scheme.lower()}://{_join(host, port)}{path}": '
                f"dial tcp {_join(host, port)}: {_plain(error)}"
            ) from error
        try:
            writer.write(_request(host, port, path, headers))
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ", 2)[1])
            fields = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines[1:])
            }
            length = fields.get("content-length", "")
            wanted = min(int(length), BODY_LIMIT) if length.isdigit() else BODY_LIMIT
            body = await self._body(reader, wanted)
            return status, fields.get("location", ""), body.decode("utf-8", "replace")
        except (
            OSError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            ValueError,
            IndexError,
        ) as error:
            raise CallFailed(
                f'Get "{scheme.lower()}://{_join(host, port)}{path}": {error or "EOF"}'
            ) from error
        finally:
            writer.close()

    @staticmethod
    async def _body(reader: asyncio.StreamReader, wanted: int) -> bytes:
        body = b""
        while len(body) < wanted and (piece := await reader.read(wanted - len(body))):
            body += piece
        return body


class SimulatedNetwork:
    """`answer(host, port, path) -> status` decides; 0 means that the connection is refused."""

    def __init__(self, answer: Callable[[str, int, str], int] | None = None) -> None:
        self.answer = answer

    async def http(
        self, scheme: str, host: str, port: int, path: str, headers: Headers, timeout_s: float
    ) -> tuple[int, str]:
        status = self.answer(host, port, path) if self.answer else 200
        if not status:
            raise CallFailed(f"dial tcp {_join(host, port)}: connect: connection refused")
        return status, ""

    async def tcp(self, host: str, port: int, timeout_s: float) -> None:
        if self.answer and not self.answer(host, port, ""):
            raise CallFailed(f"dial tcp {_join(host, port)}: connect: connection refused")


def _request(host: str, port: int, path: str, headers: Headers) -> bytes:
    given = {name.lower() for name, _ in headers}
    lines = [f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"Host: {_join(host, port)}")
    if "user-agent" not in given:
        lines.append("User-Agent: kube-probe/1.36")
    if "accept" not in given:
        lines.append("Accept: */*")
    lines += [f"{name}: {value}" for name, value in headers]
    lines += ["Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _plain(error: OSError) -> str:
    text = (error.strerror or str(error)).lower()
    return f"connect: {text}" if isinstance(error, ConnectionRefusedError) else text


def _unverified() -> ssl.SSLContext:
    """Probes do not check certificates, as upstream documents."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
