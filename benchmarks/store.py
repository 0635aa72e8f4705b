"""The sqlite backend alone: durable 2 KB writes a second with 1, 8 and 64 writers, and reads.

Beside it, in the same run and on the same file system: sqlite with one commit for each write, and the disk itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import uvloop

from apiserver.backends.sqlite import SqliteBackend
from benchmarks.bench import Bench
from benchmarks.machine import fdatasync_us
from benchmarks.rows import Peer, Row
from benchmarks.sampling import median, percentile
from machinery.clock import SystemClock

_VALUE = b"x" * 2048
_SEEN_ETCD = {1: 1400.0, 8: 4200.0, 64: 7000.0}


def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    flush_us = median([fdatasync_us() for _ in range(3)])
    for writers in (1, 8, 64):
        bench.say(f"{writers} writers")
        ours, theirs, p50, p99 = [], [], [], []
        for index in range(bench.rounds(5)):
            latencies, seconds = _ours(bench.directory / f"{writers}-{index}", writers)
            ours.append(len(latencies) / seconds)
            p50.append(percentile(latencies, 50) * 1e3)
            p99.append(percentile(latencies, 99) * 1e3)
            theirs.append(_one_commit_each(bench.directory / f"plain-{writers}-{index}"))
        rows += [
            Row(
                f"writes, {writers} writer{'s' * (writers > 1)}",
                median(ours),
                "/s",
                None,
                Peer("sqlite, a commit for each", median(theirs)),
                ours,
                f"fdatasync {flush_us:.0f} µs"
                if writers == 1
                else "Python, shared by the loop and the writer thread",
                more_is_better=True,
                details={"etcd_seen_elsewhere": _SEEN_ETCD[writers]},
            ),
            Row(f"writes, {writers} writer{'s' * (writers > 1)}, p99", median(p99), "ms", None, None, p99),
        ]
    rows.append(_read(bench))
    rows.append(Row("fdatasync of 4 KiB on this disk", flush_us, "µs"))
    return rows


def _ours(directory: Path, writers: int, seconds: float = 1.5) -> tuple[list[float], float]:
    async def run() -> tuple[list[float], float]:
        backend = SqliteBackend(directory / "store.db", SystemClock())
        await backend.start()
        latencies: list[float] = []
        begin = time.perf_counter()

        async def write(writer: int) -> None:
            index = 0
            while (started := time.perf_counter()) < begin + seconds:
                await backend.put(f"/registry/pods/w{writer}/{index}", _VALUE, expect=0)
                latencies.append(time.perf_counter() - started)
                index += 1

        async with asyncio.TaskGroup() as group:
            for writer in range(writers):
                group.create_task(write(writer))
        took = time.perf_counter() - begin
        await backend.close()
        return latencies, took

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def _one_commit_each(path: Path, seconds: float = 0.7) -> float:
    """Writes a second of plain sqlite with the same durability."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE kv (id INTEGER PRIMARY KEY, key TEXT, value BLOB)")
    count, started = 0, time.perf_counter()
    while time.perf_counter() < started + seconds:
        connection.execute("INSERT INTO kv(key, value) VALUES (?, ?)", (f"/registry/pods/{count}", _VALUE))
        count += 1
    took = time.perf_counter() - started
    connection.close()
    return count / took


def _read(bench: Bench) -> Row:
    """A range of 500 objects as of an older revision."""

    async def run() -> list[float]:
        backend = SqliteBackend(bench.directory / "read" / "store.db", SystemClock())
        await backend.start()
        await asyncio.gather(*(backend.put(f"/registry/pods/a/{i:04}", _VALUE) for i in range(500)))
        revision = await backend.revision()
        await asyncio.gather(*(backend.put(f"/registry/pods/a/{i:04}", _VALUE) for i in range(500)))
        samples = []
        for _ in range(bench.rounds(30)):
            started = time.perf_counter()
            answer = await backend.range("/registry/pods/", revision=revision)
            samples.append((time.perf_counter() - started) * 1e3)
            assert len(answer.kvs) == 500
        await backend.close()
        return samples

    samples = asyncio.run(run())
    return Row("500 objects as of an older revision", median(samples), "ms", None, None, samples)
