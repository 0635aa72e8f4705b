"""API servers of upstream's as peers: each on an etcd of its own that syncs to disk, with the certificates of the server of ours beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.api import Rest
from benchmarks.clusters import ServerProcess
from benchmarks.in_turns import Side, process
from benchmarks.rows import Skipped
from standalone.config import free_port

_START_S = 60.0


def built(name: str, variable: str, how: str) -> Path:
    """A program or folder of the user's cache. Raises Skipped where it has not been built."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = Path(os.environ.get(variable) or cache / "kctl/upstream" / name)
    if not os.access(path, os.X_OK):
        raise Skipped(f"{name} is not built: tools/setup.sh {how}")
    return path


@contextmanager
def peer(directory: Path, ours: ServerProcess, command: list[str], asked_first: str) -> Iterator[Side]:
    """`command` and an etcd; ready when `asked_first` is answered. `start_s` of its server is the time of the command alone.

    Raises Skipped where it does not come up.
    """
    if (etcd := shutil.which("etcd")) is None:
        raise Skipped("etcd is not installed (Debian package etcd-server)")
    client, member = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    port, pki = free_port(), ours.layout.pki
    store = [
        *(etcd, f"--data-dir={directory / 'etcd'}", "--log-level=error"),
        *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
        *(f"--listen-peer-urls={member}", f"--initial-advertise-peer-urls={member}"),
        f"--initial-cluster=default={member}",
    ]
    server = [
        *(*command, "--bind-address=127.0.0.1", f"--secure-port={port}", f"--etcd-servers={client}"),
        *(f"--tls-cert-file={pki / 'apiserver.crt'}", f"--tls-private-key-file={pki / 'apiserver.key'}"),
    ]
    said = directory / "peer.log"
    with said.open("wb") as log, process(store, log) as first:
        begun = time.perf_counter()
        with process(server, log) as second:
            rest = Rest(ServerProcess(second.pid, port, ours.layout, 0.0))
            _until_answered(rest, asked_first, second, said)
            described = ServerProcess(second.pid, port, ours.layout, time.perf_counter() - begun)
            yield Side(Rest(described), [second.pid, first.pid])


def _until_answered(rest: Rest, path: str, started: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            rest.ask("GET", path)
            return
        except (OSError, RuntimeError, ValueError) as error:
            if started.poll() is not None or time.monotonic() > end:
                raise Skipped(f"the peer does not come up: {error}; {log.read_text()[-500:]}") from error
            time.sleep(0.05)
