"""Upstream's own API server engine beside ours: the same custom resource, the same load, in turns, in the same minutes.

kube-apiserver itself is in no registry we may use, but Debian carries the sources of its engine: k8s.io/apiextensions-apiserver
serves custom resources through the very code that serves pods there. It runs on an etcd of its own that syncs to disk, asks
our API server who its callers are (and keeps the answers), and is loaded over TLS with the same client certificate.
`tools/setup.sh upstream-packages` builds it.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import procfs
from benchmarks.api import Rest
from benchmarks.bench import Bench
from benchmarks.bodies import CUSTOM_DEFINITION, CUSTOM_PATH
from benchmarks.clusters import ServerProcess, running_server
from benchmarks.rows import Peer, Row, Skipped
from benchmarks.sampling import median
from standalone.config import free_port

_NAME = "upstream's engine 1.36 + etcd"
_WRITTEN, _READ = "written", "read"
_MANY = 5000
_START_S = 30.0
_LISTS = 5


class Side:
    """One of the two: its requests, and the processes that it takes."""

    def __init__(self, rest: Rest, pids: list[int]) -> None:
        self.rest = rest
        self.pids = pids

    def cpu_s(self) -> float:
        return sum(map(procfs.cpu_s, self.pids))

    def pss_mib(self) -> float:
        return sum(map(procfs.pss_bytes, self.pids)) / procfs.MIB


def measure(bench: Bench) -> list[Row]:
    with running_server(bench.directory, "ours") as ours, _upstream(bench.directory, ours) as theirs:
        sides = (Side(Rest(ours), [ours.pid]), theirs)
        for side in sides:
            side.rest.ask(
                "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CUSTOM_DEFINITION
            )
        for namespace in (_WRITTEN, _READ):
            sides[0].rest.prepare(namespace)
        for side in sides:
            _until_served(side.rest)
        return [*_creates(bench, sides), *_reads(bench, sides), _memory(sides)]


def _until_served(rest: Rest) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            rest.ask("GET", CUSTOM_PATH % _READ)
            return
        except RuntimeError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _in_turns(bench: Bench, sides: tuple[Side, Side], name: str, **job: Any) -> list[Row]:
    """Rows of the rate, the p99 and the processor time of one job; each round asks both."""
    rates: tuple[list[float], list[float]] = ([], [])
    slowest: tuple[list[float], list[float]] = ([], [])
    costs: tuple[list[float], list[float]] = ([], [])
    for _ in range(bench.rounds(3)):
        for index, side in enumerate(sides):
            before = side.cpu_s()
            result = side.rest.load("requests", **job)
            rates[index].append(result["per_s"])
            slowest[index].append(result["p99_ms"])
            costs[index].append(
                (side.cpu_s() - before) / (result["per_s"] * (result["wall_s"] + job["warm_s"])) * 1e6
            )
    ours, theirs = map(median, rates)
    rows = [Row(name, ours, "/s", peer=Peer(_NAME, theirs), samples=rates[0], more_is_better=True)]
    for words, unit, found in (("p99", "ms", slowest), ("processor time each", "µs", costs)):
        ours, theirs = map(median, found)
        rows.append(Row(f"{name}, {words}", ours, unit, peer=Peer(_NAME, theirs), samples=found[0]))
    return rows


def _creates(bench: Bench, sides: tuple[Side, Side]) -> list[Row]:
    rows: list[Row] = []
    for connections in (1, 64):
        bench.say(f"create custom objects with {connections} connections, in turns")
        job = {
            "method": "POST",
            "path": CUSTOM_PATH % _WRITTEN,
            "body": "custom",
            "name_prefix": f"c{connections}",
        }
        name = f"create custom objects of 0.9 KB, {connections} conn"
        rows += _in_turns(bench, sides, name, connections=connections, seconds=1.5, warm_s=0.3, **job)
    return rows


def _reads(bench: Bench, sides: tuple[Side, Side]) -> list[Row]:
    bench.say(f"get one and list {_MANY:,}, in turns")
    fill = {"method": "POST", "path": CUSTOM_PATH % _READ, "body": "custom", "name_prefix": "fill"}
    for side in sides:
        side.rest.load("requests", connections=64, total=_MANY, **fill)
    one = sides[0].rest.ask("GET", f"{CUSTOM_PATH % _READ}?limit=1")["items"][0]["metadata"]["name"]
    path = f"{CUSTOM_PATH % _READ}/{one}"  # both were given the same names
    rows = _in_turns(
        bench,
        sides,
        "get one custom object, 16 conn",
        connections=16,
        seconds=1.5,
        warm_s=0.3,
        method="GET",
        path=path,
    )
    samples: tuple[list[float], list[float]] = ([], [])
    for _ in range(_LISTS):
        for index, side in enumerate(sides):
            samples[index].append(_list_ms(side.rest))
    ours, theirs = map(median, samples)
    peer = Peer(_NAME, theirs)
    return [
        *rows,
        Row(f"list {_MANY:,} custom objects, uncompressed", ours, "ms", peer=peer, samples=samples[0]),
    ]


def _list_ms(rest: Rest) -> float:
    """Read whole by a plain client on a connection of its own, parsed after the time is taken.

    resourceVersion 0 lets upstream answer from its cache, as it is asked by every informer.
    """
    credentials = rest.server.credentials
    context = ssl.create_default_context(cafile=credentials["ca"])
    context.load_cert_chain(credentials["cert"], credentials["key"])
    connection = http.client.HTTPSConnection("127.0.0.1", rest.server.port, context=context, timeout=60)
    try:
        connection.connect()
        begun = time.perf_counter()
        connection.request("GET", CUSTOM_PATH % _READ + "?resourceVersion=0")
        body = connection.getresponse().read()
        took = time.perf_counter() - begun
        if (count := len(json.loads(body)["items"])) != _MANY:
            raise RuntimeError(f"{count} objects in a list of {_MANY}")
        return took * 1e3
    finally:
        connection.close()


def _memory(sides: tuple[Side, Side]) -> Row:
    ours, theirs = (side.pss_mib() for side in sides)
    return Row("memory afterwards", ours, "MiB PSS", peer=Peer(_NAME, theirs))


# -- the peer ------------------------------------------------------------------------------------------------


@contextmanager
def _upstream(directory: Path, core: ServerProcess) -> Iterator[Side]:
    """Upstream's server and its etcd. Raises Skipped where it is not built or does not come up."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    binary = Path(os.environ.get("KCTL_UPSTREAM") or cache / "kctl/upstream/apiextensions-apiserver")
    if not os.access(binary, os.X_OK):
        raise Skipped("upstream's API server is not built: tools/setup.sh upstream-packages")
    if (etcd := shutil.which("etcd")) is None:
        raise Skipped("etcd is not installed (Debian package etcd-server)")
    port, client, peer = free_port(), f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    pki, kubeconfig = core.layout.pki, core.layout.kubeconfig
    store = [
        *(etcd, f"--data-dir={directory / 'etcd'}", "--log-level=error"),
        *(
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
        ),
        *(f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"),
    ]
    server = [
        *(str(binary), "--bind-address=127.0.0.1", f"--secure-port={port}", f"--etcd-servers={client}"),
        *(f"--tls-cert-file={pki / 'apiserver.crt'}", f"--tls-private-key-file={pki / 'apiserver.key'}"),
        *(f"--{which}kubeconfig={kubeconfig}" for which in ("", "authentication-", "authorization-")),
    ]
    said = directory / "upstream.log"
    with said.open("wb") as log, _process(store, log) as first, _process(server, log) as second:
        described = ServerProcess(second.pid, port, core.layout, 0.0)
        _until_ready(described, second, said)
        yield Side(Rest(described), [second.pid, first.pid])


@contextmanager
def _process(command: list[str], log: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_ready(server: ServerProcess, process: subprocess.Popen[bytes], log: Path) -> None:
    """Its definitions can be asked for, and its caches of our objects are filled."""
    rest, end = Rest(server), time.monotonic() + _START_S
    while True:
        try:
            rest.ask("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
            return
        except (OSError, RuntimeError, ValueError) as error:
            if process.poll() is not None or time.monotonic() > end:
                raise Skipped(
                    f"upstream's API server does not come up: {error}; {log.read_text()[-500:]}"
                ) from error
            time.sleep(0.1)
