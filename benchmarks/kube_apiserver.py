"""A real kube-apiserver beside ours: the same pods, the same load, in turns, in the same minutes.

Kubernetes 1.20.2 is the newest release that a package registry carries whole (Debian 12's source package; `tools/setup.sh
kubernetes-packages` builds it). Both serve TLS to client certificates, with RBAC and the default admission chain; it keeps its
objects in an etcd that syncs to disk, ours in the sqlite of `kctl up`. Later releases do more for each request.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from benchmarks.api import Rest
from benchmarks.bench import Bench
from benchmarks.clusters import ServerProcess, running_server
from benchmarks.in_turns import Side, Sides, lists, memory, rates
from benchmarks.peers import built, peer
from benchmarks.rows import Peer, Row

_NAME = "kube-apiserver 1.20.2 + etcd"
_MANY = 8500
_WRITTEN, _READ = "written", "read"
_ROUND = {"seconds": 1.5, "warm_s": 0.3}
_WATCHERS, _PER_S = 200, 50


def measure(bench: Bench) -> list[Row]:
    programs = built("kubernetes-1.20", "KCTL_KUBERNETES", "kubernetes-packages")
    with running_server(bench.directory, "ours") as ours:
        command = _command(programs / "kube-apiserver", bench.directory, ours)
        with peer(bench.directory, ours, command, "/api/v1/namespaces/default") as theirs:
            sides = (Side(Rest(ours), [ours.pid]), theirs)
            start = Row(
                "from its start to its API answering",
                ours.start_s,
                "s",
                peer=Peer(_NAME, theirs.rest.server.start_s),
            )
            rows = [start, memory(sides, _NAME, "memory after the start")]
            for side in sides:
                for namespace in (_WRITTEN, _READ):
                    side.rest.prepare(namespace)
                _until_pods_are_taken(side.rest)
            rows += _creates(bench, sides)
            rows += _reads(bench, sides)
            rows += _watches(bench, sides)
            return [*rows, memory(sides, _NAME, "memory afterwards")]


def _command(program: Path, directory: Path, ours: ServerProcess) -> list[str]:
    pki = ours.layout.pki
    return [
        *(str(program), f"--cert-dir={directory / 'peer-certs'}", f"--client-ca-file={pki / 'ca.crt'}"),
        *("--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=Node,RBAC"),
        f"--service-account-key-file={_public_key(directory, pki / 'service-account.key')}",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        *("--enable-admission-plugins=NodeRestriction", "--service-cluster-ip-range=10.96.0.0/16"),
        # Tokens as volumes, as every later release and ours give them: else it waits for a controller to make Secrets.
        "--feature-gates=BoundServiceAccountTokenVolume=true",
        *("--insecure-port=0", "--max-requests-inflight=1000", "--max-mutating-requests-inflight=1000"),
        *(f"--audit-log-path={directory / 'peer-audit.log'}", f"--audit-policy-file={_policy(directory)}"),
    ]


def _public_key(directory: Path, key: Path) -> Path:
    """Upstream takes a private key in this place only in older forms than ours."""
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    path = directory / "peer-service-account.pub"
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.write_bytes(private.public_key().public_bytes(*form))
    return path


def _policy(directory: Path) -> Path:
    """Ours writes an audit log of metadata too."""
    path = directory / "peer-audit-policy.yaml"
    path.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
    return path


def _pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def _until_pods_are_taken(rest: Rest, within_s: float = 30.0) -> None:
    """Upstream's admission looks namespaces, accounts and their tokens up in caches, which follow after a moment."""
    end = time.monotonic() + within_s
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "first"},
        "spec": {"containers": [{"name": "c", "image": "localhost/bench:1"}]},
    }
    while True:
        try:
            rest.ask("POST", _pods(_WRITTEN), body)
            return
        except RuntimeError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _creates(bench: Bench, sides: Sides) -> list[Row]:
    rows: list[Row] = []
    for body, words in (("small", "0.9 KB"), ("large", "3.3 KB")):
        for connections in (1, 64):
            bench.say(f"create pods of {words} with {connections} connections, in turns")
            job = {
                "method": "POST",
                "path": _pods(_WRITTEN),
                "body": body,
                "name_prefix": f"{body}{connections}",
            }
            name = f"create pods of {words}, {connections} conn"
            rows += rates(bench, sides, _NAME, name, connections=connections, **_ROUND, **job)
    return rows


def _reads(bench: Bench, sides: Sides) -> list[Row]:
    bench.say(f"get one and list {_MANY:,}, in turns")
    for side in sides:
        side.rest.load(
            "requests", connections=64, total=_MANY, method="POST", path=_pods(_READ), name_prefix="fill"
        )
    one = sides[0].rest.ask("GET", f"{_pods(_READ)}?limit=1")["items"][0]["metadata"]["name"]
    path = f"{_pods(_READ)}/{one}"  # both were given the same names
    return [
        *rates(
            bench, sides, _NAME, "get one pod, 16 conn", connections=16, method="GET", path=path, **_ROUND
        ),
        lists(sides, _NAME, f"list {_MANY:,} pods, uncompressed", _pods(_READ), _MANY),
    ]


def _watches(bench: Bench, sides: Sides) -> list[Row]:
    bench.say(f"{_WATCHERS} watchers with {_PER_S} events a second each, in turns")
    p50s, p99s, costs = [], [], []
    for side in sides:
        side.rest.prepare("paced")
        before = side.cpu_s()
        result = side.rest.load(
            "paced",
            watchers=_WATCHERS,
            per_s=_PER_S,
            seconds=5,
            namespace="paced",
            resource_version=side.rest.revision("paced"),
            name_prefix="paced",
        )
        costs.append((side.cpu_s() - before) / (result["per_s"] * 5 * _WATCHERS) * 1e6)
        p50s.append(result["p50_ms"])
        p99s.append(result["p99_ms"])
    words = f"watch, {_WATCHERS} watchers at {_PER_S} events/s each"
    told = ((", p50", "ms", p50s), (", p99", "ms", p99s), (", processor time a delivery", "µs", costs))
    return [Row(words + what, ours, unit, peer=Peer(_NAME, theirs)) for what, unit, (ours, theirs) in told]
