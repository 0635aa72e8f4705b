"""What bounds cost with etcd: the size of its file, and writes while it is compacted and defragmented.

The etcd is the one that `kctl up --store etcd` starts, with its flags, on this machine's disk. Its file grows in steps of 16 MiB, which is the
floor; beside it lie its log's segments of 64 MB, one ahead of need (`wal_mib`), whatever is stored.

The hours are simulated as those of sqlite are: written as fast as etcd takes it, with a clock that moves along, by which the backend
keeps house. What can be read is counted from what was written: the live values, and every later version within the kept revisions.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import uvloop

from apiserver.backends.etcd import EtcdBackend
from apiserver.backends.etcd_upkeep import FREE_BYTES
from apiserver.backends.retention import Retention
from benchmarks.bench import Bench
from benchmarks.moved_clock import MovedClock
from benchmarks.rows import Row, Target, skipped_row
from benchmarks.sampling import median, percentile
from machinery.clock import Clock
from standalone.config import ClusterConfig
from standalone.layout import Layout
from standalone.store_etcd import OWN, etcd_address, running_etcd

_RATE, _OBJECTS, _KEPT = 20, 400, 100_000
_VALUE = b"x" * 2048
_BURST_MIB = 2 * (FREE_BYTES >> 20)
T = TypeVar("T")


def measure(bench: Bench) -> list[Row]:
    if shutil.which("etcd") is None:
        return [skipped_row("bounds of etcd", "etcd is not installed (Debian package etcd-server)")]
    bench.say("etcd, while history is forgotten and the file made smaller")
    found = [_writes(bench.directory / f"etcd-{index}") for index in range(bench.rounds(3))]
    waits = [percentile(latencies, 99) * 1e3 for latencies, _ in found]
    longest = max(max(latencies) for latencies, _ in found) * 1e3
    stood = [round(stood_s * 1e3, 1) for _, stood_s in found]
    rows = [
        Row(
            "etcd: 20 writers, compacted and defragmented under them, p99",
            median(waits),
            "ms",
            Target("<=", 50.0),
            None,
            waits,
            "etcd's fsync; the one pause of a member by itself is the longest wait",
            details={"longest_ms": round(longest, 1), "defragmenting_ms": stood},
        )
    ]
    bench.say("etcd, simulated hours")
    rows.append(_hours(bench))
    return rows


def _writes(directory: Path, seconds: float = 15.0) -> tuple[list[float], float]:
    """Latencies of 20 writers at some 20 writes a second each, while a burst is deleted, forgotten and given back."""

    async def body(backend: EtcdBackend, clock: MovedClock) -> tuple[list[float], float]:
        for turn in range(_BURST_MIB):
            await asyncio.gather(
                *(backend.put(f"/burst/{turn}-{part}", os.urandom(1 << 17)) for part in range(8))
            )
        latencies: list[float] = []
        begin = time.perf_counter()

        async def write(writer: int) -> None:
            turn = 0
            while time.perf_counter() < begin + seconds:
                turn += 1
                started = time.perf_counter()
                await backend.put(f"/registry/pods/w{writer}/{turn % 20}", _VALUE)
                latencies.append(time.perf_counter() - started)
                await asyncio.sleep(0.05)

        async def clean_up() -> None:
            await asyncio.sleep(seconds / 5)
            for turn in range(_BURST_MIB):
                await asyncio.gather(*(backend.delete(f"/burst/{turn}-{part}") for part in range(8)))
            while time.perf_counter() < begin + seconds:
                clock.ahead_s += 30.0
                await asyncio.sleep(0.5)

        async with asyncio.TaskGroup() as group:
            group.create_task(clean_up())
            for writer in range(20):
                group.create_task(write(writer))
        figures = backend.figures()
        assert figures.defragmented, "nothing was defragmented"
        return latencies, figures.defragmenting_s

    return _with_etcd(directory, Retention(max_revisions=1_000, min_revisions=100), body)


def _hours(bench: Bench) -> Row:
    hours = 3 if bench.quick else 24
    rng = random.Random(1)

    async def body(backend: EtcdBackend, clock: MovedClock) -> tuple[list[float], float]:
        ratios = []
        sizes: dict[int, int] = {}  # revision → bytes of its key and value
        newest: dict[str, int] = {}

        async def write() -> None:
            key, value = f"/registry/pods/a/{rng.randrange(_OBJECTS)}", os.urandom(rng.randrange(200, 800))
            revision = (await backend.put(key, value)).revision
            sizes[revision] = len(key) + len(value)
            newest[key] = max(newest.get(key, 0), revision)

        for _ in range(hours):
            for _ in range(3600 * _RATE // 1000):
                await asyncio.gather(*(write() for _ in range(1000)))
                clock.ahead_s += 1000 / _RATE
            oldest = await backend.oldest_revision()
            live = set(newest.values())
            sizes = {at: size for at, size in sizes.items() if at >= oldest or at in live}
            await asyncio.sleep(1.0)
            await backend.look()
            ratios.append(backend.figures().size_bytes / sum(sizes.values()))
        return ratios, backend.figures().size_bytes / 2**20

    directory = bench.directory / "etcd-hours"
    ratios, file_mib = _with_etcd(directory, Retention(max_revisions=_KEPT), body)
    wal = sum(part.stat().st_size for part in (directory / "etcd" / "data" / "member" / "wal").iterdir())
    return Row(
        f"etcd: size of the file over {hours} h of 20 writes/s, {_KEPT:,} revisions kept, at most, in what can be read",
        max(ratios),
        "x",
        Target("<=", 2.0),
        None,
        ratios,
        "etcd's pages; its file grows by 16 MiB at a time",
        details={
            "file_mib": round(file_mib, 1),
            "by_hour": [round(ratio, 2) for ratio in ratios],
            "wal_mib": round(wal / 2**20, 1),
        },
    )


def _with_etcd(
    directory: Path, keep: Retention, body: Callable[[EtcdBackend, MovedClock], Awaitable[T]]
) -> T:
    layout = Layout(directory)
    layout.make()
    address = etcd_address(layout, ClusterConfig("bench", "fake", OWN, 0, 0))

    async def run() -> T:
        clock = MovedClock()
        async with _opened(address.servers, clock, keep) as backend:
            return await body(backend, clock)

    with running_etcd(layout), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


@asynccontextmanager
async def _opened(servers: str, clock: Clock, keep: Retention) -> AsyncIterator[EtcdBackend]:
    backend = EtcdBackend(
        [servers], clock, random.Random(1), retention=keep, defragment=True, patience_s=30.0
    )
    await backend.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(backend.close)
        yield backend
