"""A real etcd for tests: Debian's etcd-server, on a unix socket, with its data in memory where the machine has that.

`shared_etcd()` is one for the whole test run, whose tests each take a fresh prefix; `EtcdServer` is one to
stop, kill and start again. Where etcd is not installed the tests are skipped, and say so.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

ETCD = shutil.which("etcd")
_prefixes = itertools.count(1)
_shared: list[EtcdServer] = []


class EtcdServer:
    """Made stopped. Nothing listens on TCP."""

    def __init__(self, *flags: str, listen: str = "") -> None:
        """`listen`: a URL on loopback TCP instead of the socket."""
        if ETCD is None:
            pytest.skip("etcd is not installed (Debian package etcd-server): the etcd backend is NOT tested")
        memory = Path("/dev/shm")
        self.root = Path(tempfile.mkdtemp(prefix="kctl-etcd-", dir=memory if memory.is_dir() else None))
        self.socket = self.root / "client:1"
        self.url = listen or f"unix:{self.socket}"
        self._listen = listen or "unix://client:1"
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.remove)

    def start(self) -> EtcdServer:
        for left in ("client:1", "peer:1"):
            (self.root / left).unlink(missing_ok=True)
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(ETCD),
                    "--data-dir=data",
                    f"--listen-client-urls={self._listen}",
                    f"--advertise-client-urls={self._listen}",
                    "--listen-peer-urls=unix://peer:1",
                    "--heartbeat-interval=10",
                    "--election-timeout=100",
                    *self._flags,
                ],
                cwd=self.root,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 20
        while True:
            try:
                self._knock()
                return self
            except OSError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise RuntimeError((self.root / "log").read_text()) from None
                time.sleep(0.005)

    def _knock(self) -> None:
        if self._listen == self.url:
            host, port = self.url.rpartition("/")[2].split(":")
            socket.create_connection((host, int(port))).close()
        else:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.socket))

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    def stall(self) -> None:
        """It is there, and does nothing: as behind a network that swallows everything. Returns when all its threads stand."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)


def shared_etcd() -> EtcdServer:
    if not _shared:
        _shared.append(EtcdServer("--max-request-bytes=8388608").start())
    return _shared[0]


def fresh_prefix() -> str:
    return f"/test-{next(_prefixes)}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
