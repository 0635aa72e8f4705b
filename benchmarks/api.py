"""The API server over TLS: a real process on a durable store, loaded by another process on loopback.

It runs with the flags of `kctl up` (RBAC, default admission, audit log, sqlite), so a created pod has gone through
everything that a user's pod goes through. The peer's figures are of kube-apiserver 1.36 on a like machine (`kube-apiserver` measures 1.20
in the same run).
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

from benchmarks import procfs
from benchmarks.bench import Bench
from benchmarks.clusters import ROOT, ServerProcess, running_server
from benchmarks.rows import Peer, Row, Target
from benchmarks.sampling import median

_APISERVER = "kube-apiserver + etcd"
_FILLS = (5000, 8500)
_LIST_MS = {5000: 30.0, 8500: 25.0}
_SEEN_LIST_MS = {"": 780.0, "gzip": 490.0}  # of 8,500 pods
_MANY = 10_000
_WARM_S = 0.3
_CREATES = {
    "small": {1: Target(">=", 500), 64: Target(">=", 2500)},
    "large": {64: Target(">=", 1500)},
}
Result = dict[str, Any]


def measure(bench: Bench) -> list[Row]:
    rows = _start(bench)
    with running_server(bench.directory, "read") as server:
        rest = Rest(server)
        rest.prepare("bench")
        for count in _FILLS:
            rest.fill(bench, count)
            rows += _memory(server, f"memory with {count:,} pods of 0.9 KB")
            rows += _gets(bench, rest) if count == _FILLS[0] else []
            rows += _lists(bench, rest, count)
        rest.fill(bench, _MANY)
        target = Target("<=", 200)
        rows += _memory(server, f"memory with {_MANY:,} pods, after lists of {_FILLS[-1]:,}", target, 1230.0)
        rows += _fan_outs(bench, rest)
        rows += _paced(bench, rest)
        rows += _memory(server, "memory after reads and watches")
    with running_server(bench.directory, "write") as server:
        rest = Rest(server)
        rest.prepare("bench")
        rows += _creates(bench, rest)
        rows += _memory(server, f"memory after {rest.created:,} created pods")
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
        server = {"port": self.server.port, "server_pid": self.server.pid, **self.server.credentials}
        job = {"kind": kind, **server, **job}
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

    def fill(self, bench: Bench, count: int) -> None:
        """Up to `count` pods in all."""
        bench.say(f"filling with {count:,} pods")
        job = {"connections": 64, "method": "POST", "path": _pods("bench"), "name_prefix": "fill"}
        self.load("requests", total=count - self.created, **job)

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
    cpu_us = median([r["server_cpu_s"] / (r["per_s"] * (r["wall_s"] + _WARM_S)) for r in results]) * 1e6
    bound = (
        f"server's one core: {cpu_us:.0f} µs CPU a request; load generator takes {shares:.0%} of the other"
    )
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
                warm_s=_WARM_S,
                method="POST",
                path=_pods("bench"),
                body=body,
                name_prefix=f"{body}-{connections}",
            )
            peer, p50, p99 = seen[connections] if body == "small" else (None, None, None)
            target = _CREATES[body].get(connections)
            found = _rate_rows(f"create {words} pods, {connections} conn", results, target, peer, p50, p99)
            if body == "small" and connections == 64:
                found[-1] = replace(found[-1], target=Target("<=", 80))
            rows += found
    return rows


def _gets(bench: Bench, rest: Rest) -> list[Row]:
    rows: list[Row] = []
    name = rest.ask("GET", _pods("bench") + "?limit=1")["items"][0]["metadata"]["name"]
    for connections in (1, 16, 64):
        bench.say(f"get one pod with {connections} connections")
        path = f"{_pods('bench')}/{name}"
        results = _several(
            bench, rest, 3, connections=connections, seconds=1.5, warm_s=_WARM_S, method="GET", path=path
        )
        peer = (1730.0, 7.5, 36.0) if connections == 16 else (None, None, None)
        target = Target(">=", 10_000) if connections > 1 else None
        rows += _rate_rows(f"get one pod, {connections} conn", results, target, *peer)
    return rows


def _lists(bench: Bench, rest: Rest, count: int) -> list[Row]:
    """Each on a warm connection; with `touch`, right after a write, so that no answer that was kept whole fits."""
    rows: list[Row] = []
    for encoding in ("", "gzip"):
        for connections, touch in ((1, ""), (4, ""), (1, "bench")):
            shape = "after a write" if touch else f"{connections} conn"
            words = f"list {count:,} pods, {encoding or 'uncompressed'}, {shape}"
            bench.say(words)
            results = [
                rest.load(
                    "bulk",
                    connections=connections,
                    count=9,
                    path="/api/v1/pods",
                    gzip=bool(encoding),
                    touch=touch,
                )
                for _ in range(bench.rounds(3))
            ]
            samples = [r["p50_ms"] for r in results]
            answers = sum(r["count"] + connections for r in results)
            server_ms = sum(r["server_cpu_s"] for r in results) / answers * 1e3
            client_ms = sum(r["own_cpu_s"] for r in results) / answers * 1e3
            seen = _SEEN_LIST_MS[encoding] if connections == 1 and not touch and count == 8500 else None
            size = results[-1]["answer_bytes"] / procfs.MIB
            rows.append(
                Row(
                    words,
                    median(samples),
                    "ms",
                    Target("<=", _LIST_MS[count]) if connections == 1 else None,
                    Peer(_APISERVER, seen, here=False) if seen else None,
                    samples,
                    f"{size:.1f} MiB through TLS: {server_ms:.1f} ms CPU here, {client_ms:.1f} ms in the client"
                    + (", the writes included" if touch else ""),
                    details={
                        "min_ms": [r["min_ms"] for r in results],
                        "p99_ms": [r["p99_ms"] for r in results],
                    },
                )
            )
    return rows


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
        grown = (procfs.rss_bytes(rest.server.pid) - before) / procfs.MIB
        words = f"watch, {watchers:,} watchers"
        rows += [
            Row(
                f"{words}: deliveries",
                result["deliveries_per_s"],
                "/s",
                bound=_watch_bound(result),
                more_is_better=True,
                details=result | {"server_grew_mib": grown},
            ),
            Row(f"{words}: a write at the last, p50", result["single_p50_ms"], "ms"),
            Row(f"{words}: a write at the last, p99", result["single_p99_ms"], "ms"),
        ]
    return rows


def _paced(bench: Bench, rest: Rest) -> list[Row]:
    watchers, per_s = 1000, 100
    bench.say(f"{watchers} watchers with {per_s} events a second each")
    rest.prepare("paced")
    result = rest.load(
        "paced",
        watchers=watchers,
        per_s=per_s,
        seconds=5,
        namespace="paced",
        resource_version=rest.revision("paced"),
        name_prefix="paced",
    )
    words = f"watch, {watchers:,} watchers at {per_s} events/s each"
    rate = result["per_s"] * watchers * result["event_bytes"] / procfs.MIB
    return [
        Row(f"{words}: a write at a watcher, p50", result["p50_ms"], "ms"),
        Row(
            f"{words}: a write at a watcher, p99",
            result["p99_ms"],
            "ms",
            Target("<=", 100),
            bound=f"{rate:,.0f} MiB/s: {_watch_bound(result)}",
            details=result,
        ),
    ]


def _watch_bound(result: Result) -> str:
    """Shares of one core each, and how much goes into a TLS record and a system call."""
    return (
        f"TLS of {result['event_bytes'] / 1024:.1f} KiB an event, {result['events_a_read']:.1f} events a record; "
        f"server takes {result['server_core_share']:.0%} of a core, load generator {result['own_core_share']:.0%}"
    )


def _start(bench: Bench) -> list[Row]:
    """From starting the process until the API answers ready, certificates and an empty store being there."""
    samples = []
    cpu = []
    bench.say("start of the API server")
    for index in range(bench.rounds(7)):
        with running_server(bench.directory, f"start-{index}") as server:
            samples.append(server.start_s)
            cpu.append(procfs.cpu_s(server.pid))
    return [
        Row(
            "API server alone, to its API answering, new",
            median(samples),
            "s",
            Target("<=", 0.6),
            Peer(_APISERVER, 2.7, here=False),
            samples,
            f"{median(cpu):.2f} s CPU, most of it imports and the kinds' tables",
        )
    ]


def _memory(
    server: ServerProcess, name: str, target: Target | None = None, peer_mib: float | None = None
) -> list[Row]:
    peer = Peer("kube-apiserver, 8,500 pods", peer_mib, here=False) if peer_mib else None
    return [Row(name, procfs.pss_bytes(server.pid) / procfs.MIB, "MiB PSS", target, peer)]
