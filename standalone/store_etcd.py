"""A cluster's etcd: one of its own, which the supervisor keeps running, or one that is somewhere already.

Its own listens on a unix socket in a directory that only the owner enters: no port, no certificate, nobody else.
`main` is the program: the supervisor forks it like every component, and it becomes etcd.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from standalone.config import ClusterConfig, ConfigError
from standalone.layout import Layout
from standalone.process import Program

if TYPE_CHECKING:
    import subprocess

OWN = "etcd"
_CLIENT, _PEER = "client:1", "peer:1"  # etcd wants a port even where none is
_SOCKET_PATH_MAX = 107
_START_TIMEOUT_S = 30.0
_KNOCK_S = 2.0
_FLAGS = (
    "--name=kctl",
    "--data-dir=data",
    f"--listen-client-urls=unix://{_CLIENT}",
    f"--advertise-client-urls=unix://{_CLIENT}",
    f"--listen-peer-urls=unix://{_PEER}",
    # The only member elects itself at once.
    "--heartbeat-interval=10",
    "--election-timeout=100",
    "--max-request-bytes=8388608",
    "--quota-backend-bytes=8589934592",
    "--snapshot-count=10000",  # what etcd keeps of its log in memory
    # Of the log on disk, 64 MB each and one made ahead: no member that lags behind will ever ask for more.
    "--max-snapshots=2",
    "--max-wals=2",
    "--logger=zap",
    "--log-outputs=stderr",
    "--log-level=warn",
)


@dataclass(frozen=True, slots=True)
class EtcdAddress:
    """What an API server's --etcd-* flags say."""

    servers: str
    prefix: str
    ca: str = ""
    cert: str = ""
    key: str = ""
    own: bool = False  # nobody else's: it may be defragmented

    def flags(self) -> tuple[str, ...]:
        files = (("cafile", self.ca), ("certfile", self.cert), ("keyfile", self.key))
        return (
            f"--etcd-servers={self.servers}",
            *((f"--etcd-prefix={self.prefix}",) if self.prefix else ()),
            *(f"--etcd-{name}={path}" for name, path in files if path),
            *(("--etcd-defragment",) if self.own else ()),
        )


def is_etcd(store: str) -> bool:
    return store == OWN or is_address(store)


def is_address(store: str) -> bool:
    return store.startswith(("http://", "https://", "unix:"))


def check_store(store: str) -> None:
    """Raises ConfigError for what is no store, or one that this machine cannot use."""
    if store not in ("sqlite", "memory", OWN) and not is_address(store):
        raise ConfigError(
            f"{store!r} is no store: use sqlite, memory, etcd (one of the cluster's own), or the address of one: "
            "http://HOST:PORT, https://HOST:PORT or unix:PATH, several separated by commas"
        )
    if not is_etcd(store):
        return
    if store == OWN:
        etcd_binary()
        return
    from apiserver.backends.etcd_client import EtcdAddressError, parse_server

    try:
        for server in store.split(","):
            parse_server(server)
    except EtcdAddressError as error:
        raise ConfigError(str(error)) from error


def check_answers(config: ClusterConfig) -> None:
    """Raises ConfigError where the cluster's etcd is elsewhere and none of its servers takes a connection."""
    if not is_address(config.store):
        return
    from apiserver.backends.etcd_client import parse_server

    why = ""
    for server in config.store.split(","):
        target, _ = parse_server(server)
        try:
            _knock(target)
            return
        except OSError as error:
            why = error.strerror or str(error)
    raise ConfigError(f"etcd at {config.store} does not answer: {why}")


def _knock(target: str) -> None:
    if target.startswith("unix:"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(target.removeprefix("unix:"))
    else:
        host, _, port = target.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()


def etcd_binary() -> str:
    found = shutil.which("etcd", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/local/bin")
    if found is None:
        raise ConfigError(
            "etcd is not installed: apt-get install etcd-server (or dnf install etcd), or give the address of "
            "one that runs: --store http://HOST:PORT"
        )
    return found


def etcd_address(layout: Layout, config: ClusterConfig) -> EtcdAddress:
    """Where the cluster's objects are. An etcd that others use too has a prefix for each cluster."""
    if config.store != OWN:
        return EtcdAddress(config.store, f"/kctl/{config.name}", *config.etcd_tls)
    path = directory(layout) / _CLIENT
    if len(os.fsencode(path)) > _SOCKET_PATH_MAX:
        raise ConfigError(f"{path} is too long for a socket's path: choose a shorter --data-dir")
    return EtcdAddress(f"unix:{path}", "", own=True)


def directory(layout: Layout) -> Path:
    return layout.root / "etcd"


def etcd_programs(layout: Layout, config: ClusterConfig) -> list[Program]:
    """What the supervisor starts before the API server."""
    if config.store != OWN:
        return []
    argv = (etcd_binary(), str(directory(layout)))
    return [Program("etcd", "standalone.store_etcd", argv, layout.log("etcd"))]


def main(argv: Sequence[str] | None = None) -> int:
    """[binary, directory]: this process becomes etcd."""
    assert argv is not None
    binary, where = argv
    _prepare(Path(where))
    os.chdir(where)
    os.execv(binary, [binary, *_FLAGS])


def _prepare(where: Path) -> None:
    where.mkdir(mode=0o700, exist_ok=True)
    for name in (_CLIENT, _PEER):  # what a kill left behind would be in the way
        (where / name).unlink(missing_ok=True)


@contextmanager
def running_etcd(layout: Layout) -> Iterator[None]:
    """The cluster's own etcd, for as long as the context lasts; for a cluster that is stopped. Raises ConfigError."""
    import subprocess

    where = directory(layout)
    _prepare(where)
    with layout.log("etcd").open("ab") as log:
        process = subprocess.Popen(
            [etcd_binary(), *_FLAGS], cwd=where, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _wait(where, process, layout.log("etcd"))
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(where: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_TIMEOUT_S
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(where / _CLIENT)) == 0:
                return
        if process.poll() is not None or time.monotonic() > end:
            raise ConfigError(f"the cluster's etcd does not start; its log is {log}")
        time.sleep(0.005)
