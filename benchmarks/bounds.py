"""What bounds cost: writes while history is forgotten, and how large the file of a store stays.

A day of 20 writes a second to a few hundred objects is written as fast as the disk takes it, with the clock moved along, and
a pause in each simulated hour in which the checkpointer does what it would have done in that hour. The size is that of all the
file's parts, beside the keys and values that can still be read.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from apiserver.backends.retention import Retention
from apiserver.backends.sqlite import SqliteBackend
from apiserver.backends.sqlite_file import WAL_KEPT_BYTES
from benchmarks import bounds_etcd
from benchmarks.bench import Bench
from benchmarks.moved_clock import MovedClock
from benchmarks.rows import Row, Target
from benchmarks.sampling import median, percentile
from machinery.clock import Clock, SystemClock

_DAY_S, _RATE = 24 * 3600, 20
_OBJECTS = 400
_VALUE = b"x" * 2048


def measure(bench: Bench) -> list[Row]:
    rows = []
    for what, keep in (
        ("nothing forgotten", Retention()),
        ("history forgotten all along", Retention(max_revisions=2_000, min_revisions=100)),
    ):
        bench.say(what)
        samples = [
            percentile(_latencies(bench.directory / f"{what[:3]}{index}", keep), 99) * 1e3
            for index in range(bench.rounds(5))
        ]
        target = Target("<=", 50.0) if "all along" in what else None
        rows.append(Row(f"20 writes at once, {what}, p99", median(samples), "ms", target, None, samples))
    bench.say("a simulated day")
    rows.append(_day(bench))
    return [*rows, *bounds_etcd.measure(bench)]


def _latencies(directory: Path, keep: Retention, seconds: float = 3.0) -> list[float]:
    async def body(backend: SqliteBackend) -> list[float]:
        latencies: list[float] = []
        begin = time.perf_counter()

        async def write(writer: int) -> None:
            for turn in itertools.count():
                started = time.perf_counter()
                if started > begin + seconds:
                    return
                await backend.put(f"/registry/pods/w{writer}/{turn % 20}", _VALUE)
                latencies.append(time.perf_counter() - started)
                await asyncio.sleep(0.002)

        async with asyncio.TaskGroup() as group:
            for writer in range(20):
                group.create_task(write(writer))
        return latencies[len(latencies) // 4 :]  # when there is something to forget

    return _with_store(directory, SystemClock(), keep, body)


def _day(bench: Bench) -> Row:
    clock, rng = MovedClock(), random.Random(1)
    hours = 6 if bench.quick else 24
    path = bench.directory / "day" / "store.db"

    async def body(backend: SqliteBackend) -> list[float]:
        ratios = []
        for _ in range(hours):
            for _ in range(_DAY_S // 24 * _RATE // 1000):
                await asyncio.gather(
                    *(
                        backend.put(
                            f"/registry/pods/a/{rng.randrange(_OBJECTS)}", os.urandom(rng.randrange(200, 800))
                        )
                        for _ in range(1000)
                    )
                )
                clock.ahead_s += 1000 / _RATE
            await _rest(backend, path)
            ratios.append(_size(path) / _readable(path))
        return ratios

    ratios = _with_store(path.parent, clock, Retention(), body)
    name = f"size of the file over {hours} h of 20 writes/s, at most, in live data and kept history"
    details = {"file_mib": round(_size(path) / 2**20, 1), "by_hour": [round(ratio, 2) for ratio in ratios]}
    return Row(
        name,
        max(ratios),
        "x",
        Target("<=", 2.0),
        None,
        ratios,
        "pages that hold rows in part",
        details=details,
    )


async def _rest(backend: SqliteBackend, path: Path) -> None:
    """Until what a burst left behind is worked off, which at 20 writes a second never gathers."""
    wal = path.with_name(path.name + "-wal")
    for turn in range(60):
        await backend.put("/registry/pods/a/0", _VALUE)
        await asyncio.sleep(0.5)
        if turn >= 2 and wal.stat().st_size <= 2 * WAL_KEPT_BYTES:
            return


def _with_store(
    directory: Path, clock: Clock, keep: Retention, body: Callable[[SqliteBackend], Awaitable[list[float]]]
) -> list[float]:
    async def run() -> list[float]:
        backend = SqliteBackend(directory / "store.db", clock, keep)
        await backend.start()
        try:
            return await body(backend)
        finally:
            await backend.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def _size(path: Path) -> int:
    parts = (path.with_name(path.name + end) for end in ("", "-wal", "-shm"))
    return sum(part.stat().st_size for part in parts if part.exists())


def _readable(path: Path) -> int:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        query = "SELECT sum(length(key)) + (SELECT sum(length(value)) FROM val) FROM log"
        return int(connection.execute(query).fetchone()[0])
    finally:
        connection.close()
