"""Upstream's generic API server (k8s.io/apiextensions-apiserver) as a process beside a cluster, which it asks who its callers are
and what they may. It keeps its objects in an etcd of its own. Tests that need it skip where it has not been built.
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from etcd_server import EtcdServer, free_port


def upstream_binary() -> Path:
    """Skips the test where it has not been built."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = Path(os.environ.get("KCTL_UPSTREAM") or cache / "kctl/upstream/apiextensions-apiserver")
    if not os.access(program, os.X_OK):
        pytest.skip(f"{program} is not there: tools/setup.sh upstream-packages builds it (ten minutes)")
    return program


class UpstreamServer:
    """Made stopped; `start` returns when it is ready, `kill` leaves its objects for the next start."""

    def __init__(self, etcd: EtcdServer, kubeconfig: Path, scratch: Path) -> None:
        self.port = free_port()
        self.log = scratch / "upstream.log"
        delegated = [
            f"--{which}kubeconfig={kubeconfig}" for which in ("", "authentication-", "authorization-")
        ]
        self._command = [
            *(str(upstream_binary()), "--bind-address=127.0.0.1", f"--secure-port={self.port}"),
            *(f"--cert-dir={scratch / 'certs'}", f"--etcd-servers={etcd.url}", *delegated),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        end = time.monotonic() + 30
        while self._answer("/readyz") != 200:
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(self.log.read_text()[-4000:])
            time.sleep(0.05)

    def _answer(self, path: str) -> int:
        unverified = ssl._create_unverified_context()
        try:
            with urllib.request.urlopen(
                f"https://127.0.0.1:{self.port}{path}", timeout=2, context=unverified
            ) as answer:
                return int(answer.status)
        except OSError:
            return 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def upstream_beside(kubeconfig: Path) -> Iterator[UpstreamServer]:
    upstream_binary()
    scratch = Path(tempfile.mkdtemp(prefix="kctl-upstream-"))
    etcd = EtcdServer(listen=f"http://127.0.0.1:{free_port()}")
    server = UpstreamServer(etcd, kubeconfig, scratch)
    try:
        etcd.start()
        server.start()
        yield server
    finally:
        server.kill()
        etcd.remove()
        shutil.rmtree(scratch, ignore_errors=True)
