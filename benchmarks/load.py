"""The load generator: `python -m benchmarks.load` reads one job as JSON on stdin and prints its result.

A process of its own, so that the server never waits for its measurer: callbacks on uvloop, httptools' parser, no
tasks; a request costs it about a tenth of what it costs the server. The result says how much of a core it took.
Jobs:
  {"kind": "requests", "connections": 16, "seconds": 2, "warm_s": 0.3, "method": "POST"|"GET", "path": ...,
   "body": "small"|"large", "name_prefix": ..., "total": 0}         closed loop: each connection asks again at once
  {"kind": "fanout", "watchers": 100, "singles": 30, "burst_s": 2, "window": 16, ...}
  {"kind": "paced", "watchers": 1000, "per_s": 100, "seconds": 5, ...}     open loop: writes at a steady pace
  {"kind": "bulk", ...}                                                     large answers, see bulk.py
With `total` set, it ends after so many requests instead of `seconds`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import httptools
import uvloop

from benchmarks.bodies import large_body, small_body
from benchmarks.bulk import run_bulk
from benchmarks.sampling import median, percentile

_LIMIT_S = 120.0  # no job lasts longer, whatever it was asked


class Exchange(asyncio.Protocol):
    """One connection. `next_request()` gives bytes to send, or None to rest; `on_answer(status, seconds, bytes)`."""

    def __init__(
        self, next_request: Callable[[], bytes | None], on_answer: Callable[[int, float, int], None]
    ) -> None:
        self._next = next_request
        self._on_answer = on_answer
        self._started = 0.0
        self._length = 0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._length += len(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._on_answer(status, time.perf_counter() - self._started, self._length)
        self.go()

    def go(self) -> None:
        data = self._next()
        if data is not None:
            self._length = 0
            self._started = time.perf_counter()
            self._transport.write(data)


class Watcher(asyncio.Protocol):
    """Counts the lines of a watch; tells `on_lines(watcher)` when more have come."""

    def __init__(self, request: bytes, on_lines: Callable[[Watcher], None]) -> None:
        self._request = request
        self._on_lines = on_lines
        self.lines = 0
        self.bytes = 0
        self.open: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.open.done():
            self.open.set_exception(ConnectionError("the server closed a watch at once"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        self.open.set_result(self._parser.get_status_code())

    def on_body(self, body: bytes) -> None:
        self.bytes += len(body)
        if found := body.count(b"\n"):
            self.lines += found
            self._on_lines(self)


class Load:
    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self._context = ssl.create_default_context(cafile=job["ca"])
        self._context.load_cert_chain(job["cert"], job["key"])
        self._names = 0
        self._bodies = {"small": small_body, "large": large_body}[job.get("body", "small")]()
        self._head = f"Host: 127.0.0.1:{job['port']}\r\nUser-Agent: bench\r\nAccept: application/json\r\n" + (
            "Accept-Encoding: gzip\r\n" if job.get("gzip") else ""
        )

    def get(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode()

    def post(self, path: str) -> bytes:
        self._names += 1
        before, after = self._bodies
        body = before + f"{self.job['name_prefix']}-{self._names}".encode() + after
        head = f"POST {path} HTTP/1.1\r\n{self._head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    async def connect(self, make: Callable[[], asyncio.Protocol]) -> Any:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(make, "127.0.0.1", self.job["port"], ssl=self._context)
        return protocol

    # -- closed loop -------------------------------------------------------------------------------------

    async def requests(self) -> dict[str, Any]:
        job = self.job
        loop = asyncio.get_running_loop()
        wanted, count = job.get("total") or 0, job["connections"]
        fixed = self.get(job["path"])

        def make() -> bytes:
            return self.post(job["path"]) if job["method"] == "POST" else fixed

        latencies: list[float] = []
        statuses: dict[int, int] = {}
        sent = size = resting = 0
        finished = loop.create_future()
        begin = end = 0.0
        counted_at = [0.0, 0.0, 0.0]  # wall and own CPU at the first counted answer; wall at the last

        def next_request() -> bytes | None:
            nonlocal sent, resting
            if (wanted and sent >= wanted) or (not wanted and time.perf_counter() >= end):
                resting += 1
                if resting == count:
                    finished.set_result(None)
                return None
            sent += 1
            return make()

        def on_answer(status: int, seconds: float, length: int) -> None:
            nonlocal size
            now = time.perf_counter()
            if now < begin or (not wanted and now > end):
                return
            if not latencies:
                counted_at[0], counted_at[1] = now - seconds, time.process_time()
            counted_at[2] = now
            latencies.append(seconds)
            statuses[status] = statuses.get(status, 0) + 1
            size = length

        connections = [await self.connect(lambda: Exchange(next_request, on_answer)) for _ in range(count)]
        warm_s = 0.0 if wanted else job.get("warm_s", 0.3)
        begin = time.perf_counter() + warm_s
        end = begin + (_LIMIT_S if wanted else job["seconds"])
        for connection in connections:
            connection.go()
        deadline = time.perf_counter() + min(_LIMIT_S, (end - begin) + 20)
        while not finished.done():
            if any(c.lost for c in connections) or time.perf_counter() > deadline:
                raise ConnectionError("the server closed a connection or stopped answering")
            await asyncio.wait([finished], timeout=0.5)
        own_cpu_s = time.process_time() - counted_at[1]
        wall_s = counted_at[2] - counted_at[0] if wanted else job["seconds"]
        return {
            "per_s": len(latencies) / wall_s,
            "count": len(latencies),
            "wall_s": wall_s,
            "p50_ms": median(latencies) * 1e3,
            "p99_ms": percentile(latencies, 99) * 1e3,
            "statuses": statuses,
            "answer_bytes": size,
            "own_core_share": own_cpu_s / wall_s,
        }

    # -- watch fan-out -----------------------------------------------------------------------------------

    async def open_watches(self, on_lines: Callable[[Watcher], None]) -> list[Watcher]:
        job = self.job
        watch = self.get(
            f"{self.pods}?watch=true&resourceVersion={job['resource_version']}&allowWatchBookmarks=false"
        )
        watchers = [await self.connect(lambda: Watcher(watch, on_lines)) for _ in range(job["watchers"])]
        for watcher in watchers:
            await watcher.open
        return watchers

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.job['namespace']}/pods"

    async def paced(self) -> dict[str, Any]:
        """Writes begin at a steady pace, whether or not the ones before have arrived; counted is each event's time from
        the write's beginning until its line is read, for every watcher. Events are matched to writes by their order."""
        job = self.job
        begun: list[float] = []
        taken: list[float] = []
        seen: dict[Watcher, int] = {}
        whole: list[Watcher] = []
        count = int(job["seconds"] * job["per_s"])
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_lines(watcher: Watcher) -> None:
            now, first = time.perf_counter(), seen.get(watcher, 0)
            taken.extend([now - at for at in begun[first : watcher.lines]])
            seen[watcher] = watcher.lines
            if watcher.lines == count:
                whole.append(watcher)
                if len(whole) == job["watchers"]:
                    arrived.set_result(None)

        watchers = await self.open_watches(on_lines)
        writers: list[Exchange] = []
        queue: list[bytes] = []
        statuses: dict[int, int] = {}

        def on_answer(status: int, seconds: float, length: int) -> None:
            statuses[status] = statuses.get(status, 0) + 1

        for _ in range(32):
            writer: Exchange = await self.connect(
                lambda: Exchange(lambda: queue.pop() if queue else None, on_answer)
            )
            writers.append(writer)
        step_s = 1 / job["per_s"]
        own = time.process_time()
        start = time.perf_counter()
        for index in range(count):
            wait_s = start + index * step_s - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            queue.append(self.post(self.pods))
            begun.append(time.perf_counter())
            writers[index % len(writers)].go()
        async with asyncio.timeout(30):
            await arrived
        wall_s = time.perf_counter() - start
        own_s = time.process_time() - own
        if set(statuses) != {201}:
            raise ConnectionError(f"writes were answered with {statuses}")
        for watcher in watchers:
            watcher.transport.abort()
        await asyncio.sleep(0)
        return {
            "watchers": len(watchers),
            "writes": count,
            "per_s": count / wall_s,
            "p50_ms": median(taken) * 1e3,
            "p99_ms": percentile(taken, 99) * 1e3,
            "event_bytes": sum(w.bytes for w in watchers) / sum(w.lines for w in watchers),
            "own_core_share": own_s / wall_s,
            "wall_s": wall_s,
        }

    async def fanout(self) -> dict[str, Any]:
        """Opens the watches, then writes: first one at a time (how long until the last watcher has it), then in
        windows of several (deliveries a second); the next write waits until every watcher has the last one."""
        job = self.job
        loop = asyncio.get_running_loop()
        target = behind = 0
        arrived: asyncio.Future[None] = loop.create_future()

        def on_lines(watcher: Watcher) -> None:
            nonlocal behind
            if watcher.lines == target:
                behind -= 1
                if behind == 0 and not arrived.done():
                    arrived.set_result(None)
            elif watcher.lines > target and not arrived.done():
                arrived.set_exception(ConnectionError("a watcher got more events than there were writes"))

        opening = time.perf_counter()
        watchers = await self.open_watches(on_lines)
        opening_s = time.perf_counter() - opening
        pending = 0
        answered: asyncio.Future[None] = loop.create_future()

        def on_answer(status: int, seconds: float, length: int) -> None:
            nonlocal pending
            pending -= 1
            if status != 201 and not answered.done():
                answered.set_exception(ConnectionError(f"a write was answered with {status}"))
            if pending == 0 and not answered.done():
                answered.set_result(None)

        queue: list[bytes] = []
        writers = [
            await self.connect(lambda: Exchange(lambda: queue.pop() if queue else None, on_answer))
            for _ in range(job["window"])
        ]

        async def write(count: int) -> float:
            nonlocal target, behind, arrived, answered, pending
            target, behind, pending = target + count, len(watchers), count
            arrived, answered = loop.create_future(), loop.create_future()
            queue.extend(self.post(self.pods) for _ in range(count))
            started = time.perf_counter()
            for writer in writers[:count]:
                writer.go()
            async with asyncio.timeout(30):
                await arrived
                took = time.perf_counter() - started
                await answered
            return took

        await write(1)
        singles = [await write(1) for _ in range(job["singles"])]
        own, begin, writes = time.process_time(), time.perf_counter(), 0
        while time.perf_counter() - begin < job["burst_s"]:
            await write(job["window"])
            writes += job["window"]
        wall_s = time.perf_counter() - begin
        own_share = (time.process_time() - own) / wall_s
        size = sum(w.bytes for w in watchers) / sum(w.lines for w in watchers)
        for watcher in watchers:
            watcher.transport.abort()
        await asyncio.sleep(0)
        return {
            "watchers": len(watchers),
            "opening_s": opening_s,
            "single_p50_ms": median(singles) * 1e3,
            "single_p99_ms": percentile(singles, 99) * 1e3,
            "deliveries_per_s": writes * len(watchers) / wall_s,
            "writes_per_s": writes / wall_s,
            "event_bytes": size,
            "own_core_share": own_share,
            "wall_s": wall_s,
        }


async def run(job: dict[str, Any]) -> dict[str, Any]:
    load = Load(job)
    async with asyncio.timeout(_LIMIT_S + 30):
        kinds = {"fanout": load.fanout, "paced": load.paced, "requests": load.requests}
        return await kinds[job["kind"]]()


def main() -> int:
    job = json.loads(sys.stdin.read())
    if job["kind"] == "bulk":
        print(json.dumps(run_bulk(job)))
        return 0
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run(job))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
