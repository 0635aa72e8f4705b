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
    pid: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def revive(self, client: Client) -> None:
        assert self.reviver.stdin is not None and self.reviver.stdout is not None
        self.reviver.stdin.write("again\n")
        self.reviver.stdin.flush()
        self.pid = int(self.reviver.stdout.readline())
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
def reviving(root: Path) -> Iterator[subprocess.Popen[str]]:
    script = Path(__file__).with_name("reviver.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(root)],
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
