"""An API server process that a test may kill and revive (see reviver.py), and the client that finds it again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from clusters import REPO

from client.client import Client
from client.transport import TransportError
from machinery.errors import ApiError
from machinery.gvk import CONFIGMAPS


@dataclass
class Server:
    """Started anew by `revive`; `dies` ends it without warning."""

    reviver: subprocess.Popen[str]
    number: int = 0
    pid: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        """The process is there, and serves nothing yet."""
        assert self.reviver.stdin is not None and self.reviver.stdout is not None
        self.reviver.stdin.write(f"{self.number}\n")
        self.reviver.stdin.flush()
        self.pid = int(self.reviver.stdout.readline())

    async def revive(self, client: Client) -> None:
        self.begin()
        await self.serves(client)

    async def serves(self, client: Client) -> None:
        """Until it answers."""
        deadline = time.monotonic() + 40
        while True:
            with suppress(TransportError, ApiError):
                await client.list(CONFIGMAPS, "default", limit=1)
                break
            assert time.monotonic() < deadline, "the API server does not come back"
            await asyncio.sleep(0.005)
        self.ready.set()

    def dies(self) -> None:
        self.ready.clear()
        os.kill(self.pid, signal.SIGKILL)


@contextmanager
def reviving(root: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """`more`: as reviver.py has it."""
    script = Path(__file__).with_name("reviver.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(root), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )
    try:
        with process:
            yield process
    finally:
        process.kill()
