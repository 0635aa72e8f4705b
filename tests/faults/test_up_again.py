"""`kctl up` on what a crash, an accident or another program left: it mends it, or names it and says what to do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from clusters import Cluster

UP = ("up", "fault", "--fake-runtime")


def supervisor_pid(cluster: Cluster) -> int:
    return int(json.loads((cluster.data_dir / "run" / "state.json").read_text())["supervisor"])


def crash(cluster: Cluster) -> None:
    """The supervisor is killed; its components end with it."""
    pid = supervisor_pid(cluster)
    components = [
        c["pid"] for c in json.loads((cluster.data_dir / "run" / "state.json").read_text())["components"]
    ]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while any(Path(f"/proc/{pid}").exists() for pid in (pid, *components)):
        assert time.monotonic() < deadline, "components outlive their supervisor"
        time.sleep(0.01)


def test_second_up_says_that_it_runs(broken: Cluster) -> None:
    again = broken.kctl(*UP)
    assert again.code == 1
    assert "already running" in again.err and str(supervisor_pid(broken)) in again.err
    assert "kctl status fault" in again.err and "kctl down fault" in again.err


def test_up_after_a_crash_resumes_with_every_object(broken: Cluster) -> None:
    broken.kctl("create", "configmap", "kept", "--from-literal=a=b").checked()
    broken.kctl("create", "deployment", "web", "--image=localhost/web:1", "--replicas=2").checked()
    before = broken.kctl("get", "configmap", "kept", "-o", "jsonpath={.metadata.uid}").checked()
    crash(broken)
    broken.kctl(*UP).checked()
    assert broken.kctl("get", "configmap", "kept", "-o", "jsonpath={.metadata.uid}").checked() == before
    broken.kctl("rollout", "status", "deployment/web", "--timeout=20s").checked()


@pytest.mark.parametrize("content", ["", "12345678", "not a number", "\0" * 64])
def test_stale_lock_file_does_not_hinder(described: Cluster, content: str) -> None:
    run = described.data_dir / "run"
    run.mkdir(parents=True)
    (run / "lock").write_text(content)
    (run / "state.json").write_text('{"supervisor": 1, "components": [{"na')
    described.kctl(*UP).checked()


def test_taken_port_is_named_when_asked_for_and_avoided_otherwise(described: Cluster) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = described.kctl(*UP, f"--api-port={port}")
        assert refused.code == 1
        assert f"port {port} is taken" in refused.err and "--api-port" in refused.err
    described.kctl(*UP, f"--api-port={port}").checked()
    described.kctl("down", "fault").checked()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        described.kctl(*UP).checked()  # its old port is taken now: another is chosen
    assert described.kctl("get", "--raw", "/healthz").checked() == "ok"


@pytest.mark.parametrize("content", ["", "{", '{"name": "fault"}', '["fault"]', '{"nodes": [], "what": 1}'])
def test_cluster_json_that_cannot_be_read_is_named(described: Cluster, content: str) -> None:
    described.data_dir.mkdir(parents=True)
    (described.data_dir / "cluster.json").write_text(content)
    refused = described.kctl(*UP)
    assert refused.code == 1
    assert "cluster.json" in refused.err and "kctl down" in refused.err
    assert "Traceback" not in refused.err


def test_half_made_data_directory_is_mended(described: Cluster) -> None:
    """As an `up` that was interrupted at any point leaves it: nothing was stored yet."""
    data = described.data_dir
    for directory in ("pki", "store", "kubeconfigs", "run"):
        (data / directory).mkdir(parents=True)
    for empty in ("store/store.db", "kubeconfig", "kubeconfigs/scheduler", "run/lock", "run/state.json"):
        (data / empty).touch()
    described.kctl(*UP).checked()
    assert described.kctl("get", "--raw", "/healthz").checked() == "ok"
    described.kctl("down", "fault").checked()
    for gone in ("kubeconfig", "pki/apiserver.crt", "pki/scheduler.key"):
        (data / gone).unlink()
    for empty in ("pki/admin.crt", "pki/controller-manager.crt", "kubeconfigs/controllers"):
        (data / empty).write_bytes(b"")
    described.kctl(*UP).checked()
    described.kctl("create", "configmap", "a").checked()


def test_empty_encryption_key_is_named(described: Cluster) -> None:
    (described.data_dir / "store").mkdir(parents=True)
    (described.data_dir / "store" / "encryption.key").touch()
    refused = described.kctl(*UP)
    assert refused.code == 1 and "Traceback" not in refused.err
    assert "encryption.key: encryption at rest needs keys of 32 bytes each. Restore it" in refused.err


def test_damaged_database_is_named_and_kept(described: Cluster) -> None:
    described.kctl(*UP).checked()
    described.kctl("down", "fault").checked()
    store = described.data_dir / "store" / "store.db"
    damaged = b"nonsense" * 1000
    store.write_bytes(damaged)
    refused = described.kctl(*UP)
    assert refused.code == 1
    assert "store.db" in refused.err and "Traceback" not in refused.err
    assert store.read_bytes() == damaged


@pytest.mark.parametrize("part", ["head", "middle"])
def test_damaged_database_is_replaced_by_a_snapshot(described: Cluster, part: str) -> None:
    described.kctl(*UP).checked()
    described.kctl("create", "configmap", "kept", "--from-literal=a=b").checked()
    saved = described.home / "saved.db"
    described.kctl("store", "snapshot", str(saved), "--cluster", "fault").checked()
    described.kctl("create", "configmap", "later").checked()
    described.kctl("down", "fault").checked()
    store = described.data_dir / "store" / "store.db"
    content = store.read_bytes()
    at = 0 if part == "head" else 4096
    store.write_bytes(content[:at] + b"\xff" * 8192 + content[at + 8192 :])
    refused = described.kctl(*UP)
    assert refused.code == 1 and "Traceback" not in refused.err
    assert f"{store} is damaged" in refused.err and "kctl store restore FILE" in refused.err
    described.kctl("store", "restore", str(saved), "--cluster", "fault").checked()
    described.kctl(*UP).checked()
    assert described.kctl("get", "configmaps", "-o", "name").checked().split() == [
        "configmap/kept",
        "configmap/kube-root-ca.crt",
    ]


def test_read_only_disk_is_named_and_used_when_it_can_be_written_again(described: Cluster) -> None:
    described.data_dir.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "kctl-test", str(described.data_dir)]).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        described.kctl(*UP).checked()
        described.kctl("create", "configmap", "kept").checked()
        described.kctl("down", "fault").checked()
        subprocess.run(["mount", "-o", "remount,ro", str(described.data_dir)], check=True)
        refused = described.kctl(*UP)
        assert refused.code == 1 and "Traceback" not in refused.err
        assert str(described.data_dir) in refused.err and "Read-only file system" in refused.err
        subprocess.run(["mount", "-o", "remount,rw", str(described.data_dir)], check=True)
        described.kctl(*UP).checked()
        assert "kept" in described.kctl("get", "configmaps").checked()
        described.kctl("down", "fault").checked()
    finally:
        subprocess.run(["umount", str(described.data_dir)], check=True)


def test_missing_ca_key_is_named(described: Cluster) -> None:
    described.kctl(*UP).checked()
    described.kctl("down", "fault").checked()
    (described.data_dir / "pki" / "ca.key").unlink()
    again = described.kctl(*UP)
    assert "Traceback" not in again.err
    assert again.code == 0 or "ca.key" in again.err


def test_other_runtime_than_before_is_refused_by_name(described: Cluster) -> None:
    described.kctl(*UP).checked()
    described.kctl("down", "fault").checked()
    refused = described.kctl("up", "fault", "--fake-runtime=false")
    assert refused.code == 1 and "fake runtime" in refused.err


def test_runtime_that_is_not_named_is_the_one_before(described: Cluster) -> None:
    described.kctl(*UP).checked()
    described.kctl("down", "fault").checked()
    described.kctl("up", "fault").checked()
    assert json.loads((described.data_dir / "cluster.json").read_text())["runtime"] == "fake"


def test_data_directory_that_cannot_be_made_is_named(described: Cluster) -> None:
    blocked = described.home / "file"
    blocked.write_text("")
    refused = described.kctl(*UP, f"--data-dir={blocked}/below")
    assert refused.code == 1 and str(blocked) in refused.err and "Traceback" not in refused.err


@pytest.mark.parametrize("name", ["UPPER", "a/b", "..", "-x-", "x" * 60])
def test_bad_cluster_name_is_refused_with_the_rule(described: Cluster, name: str) -> None:
    refused = described.kctl("up", "--fake-runtime", "--", name)
    assert refused.code == 1 and "lower-case letters" in refused.err
