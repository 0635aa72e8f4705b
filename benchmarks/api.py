"""The API server over TLS: a real process on a durable store, loaded by another process on loopback.

It runs with the flags of `kctl up` (RBAC, default admission, audit log, sqlite), so a created pod has gone through
everything that a user's pod goes through. Peers: kube-apiserver with etcd cannot be had here as a package; its
figures come from a like machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks import procfs
from benchmarks.bench import Bench
from benchmarks.clusters import ROOT, ServerProcess, running_server
from benchmarks.rows import Peer, Row, Target
from benchmarks.sampling import median

_APISERVER = "kube-apiserver + etcd"
_FILL = 5000
_SEEN_LIST_MS = {"": 780.0 * 5000 / 8500, "gzip": 490.0 * 5000 / 8500}  # measured with 8,500 pods
Result = dict[str, Any]


def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    with running_server(bench.directory, "read") as server:
        rest = Rest(server)
        rest.prepare("bench")
        bench.say(f"filling with {_FILL} pods")
        rest.load(
            "requests", connections=64, method="POST", path=_pods("bench"), name_prefix="fill", total=_FILL
        )
        rows += _memory(server, f"memory with {_FILL:,} pods of 0.9 KB")
        rows += _gets(bench, rest)
        rows += _lists(bench, rest)
        rows += _fan_outs(bench, rest)
        rows += _memory(server, "memory after reads and watches")
    with running_server(bench.directory, "write") as server:
        rest = Rest(server)
        rest.prepare("bench")
        rows += _creates(bench, rest)
        rows += _memory(server, f"memory after {rest.created:,} created pods", peer_mib=1230.0)
    return rows


def _pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


class Rest:
    """The load generator aimed at one server; it also says what share of a core the server took."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.created = 0
        self._runs = 0

    def load(self, kind: str, **job: Any) -> Result:
        self._runs += 1
        job = {"kind": kind, "port": self.server.port, **self.server.credentials, **job}
        if "name_prefix" in job:
            job["name_prefix"] += f"-{self._runs}"
        before = procfs.cpu_s(self.server.pid)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.load"],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=200,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the load generator failed: {done.stderr.strip()[-2000:]}")
        result: Result = json.loads(done.stdout)
        result["server_cpu_s"] = procfs.cpu_s(self.server.pid) - before
        if job.get("method") == "POST":
            self.created += result["count"]
        bad = {status: n for status, n in result.get("statuses", {}).items() if status[0] != "2"}
        if bad:
            raise RuntimeError(f"answers other than success: {bad}")
        return result

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request by kubectl's means, outside of any measurement."""
        import http.client
        import ssl

        context = ssl.create_default_context(cafile=self.server.credentials["ca"])
        context.load_cert_chain(self.server.credentials["cert"], self.server.credentials["key"])
        connection = http.client.HTTPSConnection("127.0.0.1", self.server.port, context=context, timeout=30)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = json.loads(answer.read())
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {content.get('message')}")
            return content
        finally:
            connection.close()

    def prepare(self, namespace: str) -> None:
        """A namespace as the controllers would make it."""
        self.ask("POST", "/api/v1/namespaces", _named("v1", "Namespace", namespace))
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self.ask("POST", path, _named("v1", "ServiceAccount", "default"))

    def revision(self, namespace: str) -> str:
        answer = self.ask("GET", _pods(namespace) + "?limit=1")
        return str(answer["metadata"]["resourceVersion"])


def _named(api_version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


def _several(bench: Bench, rest: Rest, rounds: int, **job: Any) -> list[Result]:
    return [rest.load("requests", **job) for _ in range(bench.rounds(rounds))]


def _rate_rows(
    name: str,
    results: list[Result],
    target: Target | None,
    peer: float | None,
    p50: float | None,
    p99: float | None,
) -> list[Row]:
    """Requests a second, and how long one takes."""
    rates = [r["per_s"] for r in results]
    shares = median([r["own_core_share"] for r in results])
    details = {
        "load_generator_core_share": shares,
        "answer_bytes": results[-1]["answer_bytes"],
        "counts": [r["count"] for r in results],
    }
    bound = f"server's one core; load generator takes {shares:.0%} of the other"
    rows = [
        Row(
            name,
            median(rates),
            "/s",
            target,
            Peer(_APISERVER, peer, here=False) if peer else None,
            rates,
            bound,
            more_is_better=True,
            details=details,
        )
    ]
    for key, seen in (("p50_ms", p50), ("p99_ms", p99)):
        samples = [r[key] for r in results]
        rows.append(
            Row(
                f"{name}, {key[:3]}",
                median(samples),
                "ms",
                None,
                Peer(_APISERVER, seen, here=False) if seen else None,
                samples,
            )
        )
    return rows


def _creates(bench: Bench, rest: Rest) -> list[Row]:
    rows: list[Row] = []
    seen = {1: (207.0, 4.0, None), 16: (550.0, None, None), 64: (605.0, 89.0, 284.0)}
    for body, words in (("small", "0.9 KB"), ("large", "3.3 KB")):
        for connections in (1, 16, 64):
            bench.say(f"create pods of {words} with {connections} connections")
            results = _several(
                bench,
                rest,
                3,
                connections=connections,
                seconds=1.5,
                method="POST",
                path=_pods("bench"),
                body=body,
                name_prefix=f"{body}-{connections}",
            )
            peer, p50, p99 = seen[connections] if body == "small" else (None, None, None)
            target = Target(">=", 1500) if connections == 64 else None
            rows += _rate_rows(f"create {words} pods, {connections} conn", results, target, peer, p50, p99)
    return rows


def _gets(bench: Bench, rest: Rest) -> list[Row]:
    rows: list[Row] = []
    name = rest.ask("GET", _pods("bench") + "?limit=1")["items"][0]["metadata"]["name"]
    for connections in (1, 16, 64):
        bench.say(f"get one pod with {connections} connections")
        path = f"{_pods('bench')}/{name}"
        results = _several(bench, rest, 3, connections=connections, seconds=1.5, method="GET", path=path)
        peer = (1730.0, 7.5, 36.0) if connections == 16 else (None, None, None)
        target = Target(">=", 6000) if connections > 1 else None
        rows += _rate_rows(f"get one pod, {connections} conn", results, target, *peer)
    return rows


def _lists(bench: Bench, rest: Rest) -> list[Row]:
    rows: list[Row] = []
    for encoding in ("", "gzip"):
        for connections in (1, 4):
            words = f"list {_FILL:,} pods, {encoding or 'uncompressed'}, {connections} conn"
            bench.say(words)
            results = _several(
                bench,
                rest,
                3,
                connections=connections,
                seconds=1.5,
                method="GET",
                path="/api/v1/pods",
                gzip=bool(encoding),
            )
            samples = [r["p50_ms"] for r in results]
            seen = _SEEN_LIST_MS[encoding] if connections == 1 else None
            size = results[-1]["answer_bytes"] / procfs.MIB
            rows.append(
                Row(
                    words,
                    median(samples),
                    "ms",
                    Target("<=", 30) if connections == 1 else None,
                    Peer(f"{_APISERVER}, 5/8.5 of its time for 8,500", seen, here=False) if seen else None,
                    samples,
                    f"{size:.1f} MiB through TLS",
                    details={"p99_ms": [r["p99_ms"] for r in results]},
                )
            )
        rows.append(_list_after_write(bench, rest, encoding))
    return rows


def _list_after_write(bench: Bench, rest: Rest, encoding: str) -> Row:
    """Each list follows a write, so that no cached answer fits."""
    samples = []
    words = f"list {_FILL:,} pods, {encoding or 'uncompressed'}, after a write"
    bench.say(words)
    for index in range(bench.rounds(9)):
        name = f"touched-{encoding or 'plain'}-{index}"
        rest.ask("POST", f"{_pods('bench')}", _named("v1", "Pod", name) | {"spec": _one_container()})
        rest.ask("DELETE", f"{_pods('bench')}/{name}?gracePeriodSeconds=0")
        result = rest.load(
            "requests", connections=1, total=1, method="GET", path="/api/v1/pods", gzip=bool(encoding)
        )
        samples.append(result["p50_ms"])
    return Row(words, median(samples), "ms", Target("<=", 30), None, samples)


def _one_container() -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "localhost/bench:1"}]}


def _fan_outs(bench: Bench, rest: Rest) -> list[Row]:
    rows: list[Row] = []
    for watchers in (100, 1000):
        bench.say(f"{watchers} watchers of one namespace's pods")
        namespace = f"watched-{watchers}"
        rest.prepare(namespace)
        before = procfs.rss_bytes(rest.server.pid)
        result = rest.load(
            "fanout",
            watchers=watchers,
            singles=30,
            burst_s=2.0,
            window=16,
            namespace=namespace,
            resource_version=rest.revision(namespace),
            name_prefix="seen",
        )
        shares = result["own_core_share"]
        grown = (procfs.rss_bytes(rest.server.pid) - before) / procfs.MIB
        words = f"watch, {watchers:,} watchers"
        bound = f"TLS of {result['event_bytes'] / 1024:.1f} KiB an event; load generator takes {shares:.0%} of a core"
        rows += [
            Row(
                f"{words}: deliveries",
                result["deliveries_per_s"],
                "/s",
                bound=bound,
                more_is_better=True,
                details=result | {"server_grew_mib": grown},
            ),
            Row(f"{words}: a write at the last, p50", result["single_p50_ms"], "ms"),
            Row(f"{words}: a write at the last, p99", result["single_p99_ms"], "ms"),
        ]
    return rows


def _memory(server: ServerProcess, name: str, peer_mib: float | None = None) -> list[Row]:
    peer = Peer("kube-apiserver, 8,500 pods", peer_mib, here=False) if peer_mib else None
    return [Row(name, procfs.pss_bytes(server.pid) / procfs.MIB, "MiB PSS", None, peer)]
