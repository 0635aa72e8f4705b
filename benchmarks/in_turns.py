"""Two API servers side by side: the same requests at both, in turns, in the same minutes."""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import procfs
from benchmarks.api import Rest
from benchmarks.bench import Bench
from benchmarks.rows import Peer, Row
from benchmarks.sampling import median

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


Sides = tuple[Side, Side]  # ours, theirs


def rates(bench: Bench, sides: Sides, peer: str, name: str, **job: Any) -> list[Row]:
    """Rows of the rate, the p99 and the processor time of one job; each round asks both."""
    found: tuple[list[float], list[float]] = ([], [])
    slowest: tuple[list[float], list[float]] = ([], [])
    costs: tuple[list[float], list[float]] = ([], [])
    for _ in range(bench.rounds(3)):
        for index, side in enumerate(sides):
            before = side.cpu_s()
            result = side.rest.load("requests", **job)
            found[index].append(result["per_s"])
            slowest[index].append(result["p99_ms"])
            costs[index].append(
                (side.cpu_s() - before) / (result["per_s"] * (result["wall_s"] + job["warm_s"])) * 1e6
            )
    ours, theirs = map(median, found)
    rows = [Row(name, ours, "/s", peer=Peer(peer, theirs), samples=found[0], more_is_better=True)]
    for words, unit, taken in (("p99", "ms", slowest), ("processor time each", "µs", costs)):
        ours, theirs = map(median, taken)
        rows.append(Row(f"{name}, {words}", ours, unit, peer=Peer(peer, theirs), samples=taken[0]))
    return rows


def lists(sides: Sides, peer: str, name: str, path: str, count: int) -> Row:
    """How long a list of `count` objects takes, resourceVersion 0: upstream answers it from its cache, as to every informer."""
    samples: tuple[list[float], list[float]] = ([], [])
    for _ in range(_LISTS):
        for index, side in enumerate(sides):
            samples[index].append(_list_ms(side.rest, path, count))
    ours, theirs = map(median, samples)
    return Row(name, ours, "ms", peer=Peer(peer, theirs), samples=samples[0])


def memory(sides: Sides, peer: str, name: str) -> Row:
    ours, theirs = (side.pss_mib() for side in sides)
    return Row(name, ours, "MiB PSS", peer=Peer(peer, theirs))


def _list_ms(rest: Rest, path: str, count: int) -> float:
    """Read whole by a plain client on a connection of its own, parsed after the time is taken."""
    credentials = rest.server.credentials
    context = ssl.create_default_context(cafile=credentials["ca"])
    context.load_cert_chain(credentials["cert"], credentials["key"])
    connection = http.client.HTTPSConnection("127.0.0.1", rest.server.port, context=context, timeout=60)
    try:
        connection.connect()
        begun = time.perf_counter()
        connection.request("GET", path + "?resourceVersion=0")
        body = connection.getresponse().read()
        took = time.perf_counter() - begun
        if (seen := len(json.loads(body)["items"])) != count:
            raise RuntimeError(f"{seen} objects in a list of {count}")
        return took * 1e3
    finally:
        connection.close()


@contextmanager
def process(command: list[str], log: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Ends with the block, by SIGTERM and if need be by SIGKILL."""
    started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
