"""A whole cluster on etcd, as processes: its own one killed, then moved to one that runs elsewhere and back off it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from etcd_server import EtcdServer

from apiserver.backends.etcd_client import RANGE, EtcdClient
from apiserver.backends.etcd_messages import range_answer, range_request
from machinery.clock import SystemClock
from standalone.config import free_port

Kctl = Callable[..., str]


@pytest.fixture
def elsewhere() -> Iterator[EtcdServer]:
    server = EtcdServer(listen=f"http://127.0.0.1:{free_port()}").start()
    yield server
    server.remove()


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kctl-") as path:
        yield Path(path)


@pytest.fixture
def kctl(home: Path) -> Iterator[Kctl]:
    env = {**os.environ, "KCTL_HOME": str(home), "KUBECONFIG": str(home / "on-etcd/kubeconfig")}

    def run(*argv: str, refused: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "kctl", *argv], env=env, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode != 0) is refused, done.stdout + done.stderr
        return done.stdout + done.stderr

    yield run
    if (home / "on-etcd").exists():
        run("down", "on-etcd", "--delete")


def test_cluster_on_its_own_etcd_survives_its_death_and_moves(
    kctl: Kctl, home: Path, elsewhere: EtcdServer
) -> None:
    kctl("up", "on-etcd", "--fake-runtime", "--store", "etcd")
    kctl("create", "configmap", "kept", "--from-literal=a=b")
    state = json.loads((home / "on-etcd/run/state.json").read_text())
    (pid,) = (part["pid"] for part in state["components"] if part["name"] == "etcd")
    os.kill(pid, signal.SIGKILL)
    kctl("create", "secret", "generic", "sealed", "--from-literal=c=d")

    assert "stop it first" in kctl("store", "migrate", "on-etcd", "--to", elsewhere.url, refused=True)
    kctl("store", "snapshot", str(home / "saved.db"), "--cluster", "on-etcd")
    kctl("down", "on-etcd")
    assert "migrate on-etcd --to sqlite" in kctl(
        "up", "on-etcd", "--fake-runtime", "--store", "sqlite", refused=True
    )
    kctl("store", "migrate", "on-etcd", "--to", elsewhere.url)
    kctl("up", "on-etcd", "--fake-runtime")
    assert '"c"' in kctl("get", "secret", "sealed", "-o", "json")
    assert "kept" in kctl("get", "configmaps")
    assert count_keys(elsewhere, b"/kctl/on-etcd/") > 50

    kctl("delete", "configmap", "kept")
    kctl("down", "on-etcd")
    kctl("store", "restore", str(home / "saved.db"), "--cluster", "on-etcd")
    kctl("up", "on-etcd", "--fake-runtime")
    assert "kept" in kctl("get", "configmaps")
    kctl("down", "on-etcd", "--delete")
    assert count_keys(elsewhere, b"/") == 0


def test_etcd_that_does_not_answer_is_named(kctl: Kctl, home: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    told = kctl("up", "on-etcd", "--fake-runtime", "--store", nowhere, refused=True)
    assert f"error: etcd at {nowhere} does not answer" in told
    assert "is no store" in kctl("up", "other", "--fake-runtime", "--store", "postgres", refused=True)
    assert not (home / "on-etcd/cluster.json").exists()


def count_keys(server: EtcdServer, start: bytes) -> int:
    async def main() -> int:
        client = EtcdClient([server.url], SystemClock())
        await client.start()
        request = range_request(start, b"\0", count_only=True)
        count = range_answer(await client.call(RANGE, request)).count
        await client.close()
        return count

    return asyncio.run(main())
