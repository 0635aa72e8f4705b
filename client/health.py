"""A component's own small HTTP server: /healthz, /readyz, /livez and /metrics.

A check is a callable that returns None when all is well and the reason when not. `checks` count for
every endpoint, `ready` for /readyz only (caches synced, leader found). `?verbose` lists each, and so
does every failing answer; /healthz/NAME asks one alone. Written on asyncio streams: a web framework
would cost more memory and start-up time than the whole component.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from client.listening import inherited

Check = Callable[[], str | None]

_ENDPOINTS = ("healthz", "livez", "readyz")
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
}
_TEXT = "text/plain; charset=utf-8"
_REQUEST_TIMEOUT_S = 10.0


async def serve_health(
    port: int,
    checks: Mapping[str, Check],
    registry: Any = None,
    *,
    ready: Mapping[str, Check] | None = None,
    host: str = "127.0.0.1",
    ssl_context: ssl.SSLContext | None = None,
) -> None:
    """Serves until cancelled. `registry` is a prometheus_client.CollectorRegistry, or None for no metrics."""
    async with health_server(port, checks, registry, ready=ready, host=host, ssl_context=ssl_context):
        await asyncio.Event().wait()


@asynccontextmanager
async def health_server(
    port: int,
    checks: Mapping[str, Check],
    registry: Any = None,
    *,
    ready: Mapping[str, Check] | None = None,
    host: str = "127.0.0.1",
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """As serve_health, for the time of the block; gives the port (0 chooses a free one)."""
    answers = _Answers(checks, ready or {}, registry)
    connections: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                method, _, rest = head.decode("latin-1").partition(" ")
                target = rest.partition(" ")[0]
                status, content_type, body = answers.answer(method, target)
                writer.write(
                    f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {content_type}\r\n"
                    f"content-length: {len(body)}\r\nx-content-type-options: nosniff\r\n"
                    "connection: close\r\n\r\n".encode("latin-1")
                )
                writer.write(b"" if method == "HEAD" else body)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the asker left, or never asked
        finally:
            connections.discard(writer)
            writer.close()

    sock = inherited(host, port)
    if sock is not None:
        server = await asyncio.start_server(serve, sock=sock, ssl=ssl_context)
    else:
        server = await asyncio.start_server(serve, host, port, ssl=ssl_context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in list(connections):
            writer.close()
        await server.wait_closed()


class _Answers:
    """What each path answers: (status, content type, body)."""

    def __init__(self, checks: Mapping[str, Check], ready: Mapping[str, Check], registry: Any) -> None:
        self._checks: Mapping[str, Mapping[str, Check]] = {
            "healthz": checks,
            "livez": checks,
            "readyz": {**checks, **ready},
        }
        self._registry = registry

    def answer(self, method: str, target: str) -> tuple[int, str, bytes]:
        url = urlsplit(target)
        endpoint, _, name = url.path.strip("/").partition("/")
        if method not in ("GET", "HEAD"):
            return 405, _TEXT, b"only GET is served here\n"
        if endpoint == "metrics" and not name and self._registry is not None:
            from prometheus_client import exposition

            return 200, exposition.CONTENT_TYPE_LATEST, exposition.generate_latest(self._registry)
        if endpoint in _ENDPOINTS:
            return self._health(endpoint, name, parse_qs(url.query, keep_blank_values=True))
        return 404, _TEXT, b"404 page not found\n"

    def _health(self, endpoint: str, name: str, query: Mapping[str, list[str]]) -> tuple[int, str, bytes]:
        checks: dict[str, Check] = {"ping": lambda: None, **self._checks[endpoint]}
        if name:
            if name not in checks:
                return 404, _TEXT, f"no check {name!r}; there are {', '.join(checks)}\n".encode()
            checks = {name: checks[name]}
        excluded = set(query.get("exclude", ()))
        lines, failed = [], []
        for each, check in checks.items():
            if each in excluded:
                lines.append(f"[+]{each} excluded: ok")
                continue
            why = _why_not(check)
            if why is None:
                lines.append(f"[+]{each} ok")
            else:
                lines.append(f"[-]{each} failed: {why}")
                failed.append(each)
        if failed:
            return 500, _TEXT, "\n".join([*lines, f"{endpoint} check failed", ""]).encode()
        if "verbose" in query:
            return 200, _TEXT, "\n".join([*lines, f"{endpoint} check passed", ""]).encode()
        return 200, _TEXT, b"ok"


def _why_not(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:
        return repr(error)
