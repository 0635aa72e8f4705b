"""A whole API server over TLS in the test's own loop, put together from flags and files as `kctl apiserver` does it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from https_world import Authority

from apiserver import __main__ as program
from apiserver.backends.sqlite import SqliteBackend
from client.client import Client
from client.http1 import HttpTransport
from client.transport import TransportError
from machinery.clock import SystemClock
from machinery.errors import ApiError
from machinery.gvk import NAMESPACES


class Site:
    """One server's files, flags and callers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.serving = self.authority.issue("serving", "apiserver")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self._open: list[HttpTransport] = []

    def file(self, name: str, content: Any) -> Path:
        path = self.folder / name
        part = self.folder / f"{name}.part"
        part.write_text(content if isinstance(content, str) else json.dumps(content))
        part.replace(path)
        return path

    def flags(self, *more: str) -> list[str]:
        return [
            f"--data-dir={self.folder}",
            f"--port={self.port}",
            f"--tls-cert-file={self.serving[0]}",
            f"--tls-private-key-file={self.serving[1]}",
            f"--client-ca-file={self.authority.file}",
            "--log-level=error",
            *more,
        ]

    def client(
        self, *, token: str = "", pair: tuple[Path, Path] | None = None, ca: Authority | None = None
    ) -> Client:
        context = (ca or self.authority).client_context(pair)
        transport = HttpTransport(self.url, ssl_context=context, token=(lambda: token) if token else None)
        self._open.append(transport)
        return Client(transport)

    def admin(self, file: str = "admin") -> Client:
        return self.client(pair=self.authority.issue(file, "root", ("system:masters",)))

    async def close(self) -> None:
        for transport in self._open:
            await transport.close()


def serving(site: Site, flags: list[str], body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        options = program._parser().parse_args(flags)
        running = asyncio.ensure_future(program.run(options))
        try:
            admin = site.admin()
            for _ in range(500):
                if running.done():
                    await running
                try:
                    await admin.list(NAMESPACES)
                    break
                except (TransportError, ApiError, OSError):
                    await asyncio.sleep(0.02)
            await body()
        finally:
            await site.close()
            if not running.done():
                os.kill(os.getpid(), signal.SIGTERM)  # it has handlers of its own since it listens
            await running

    asyncio.run(main())


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(40):
        while True:
            if await check():
                return
            await asyncio.sleep(0.02)


def stored_now(site: Site, key: str) -> bytes:
    async def read() -> bytes:
        backend = SqliteBackend(site.folder / "store.db", SystemClock())
        await backend.start()
        try:
            found = await backend.get(key)
        finally:
            await backend.close()
        assert found is not None
        return found.value

    return asyncio.run(read())
