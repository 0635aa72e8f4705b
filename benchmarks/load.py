"""The load generator: `python -m benchmarks.load` reads one job as JSON on stdin and prints its result.

A process of its own, so that the server never waits for its measurer: callbacks on uvloop, httptools' parser, no
tasks; a request costs it about a tenth of what it costs the server. The result says how much of a core it took.
Jobs:
  {"kind": "requests", "connections": 16, "seconds": 2, "warm_s": 0.3, "method": "POST"|"GET", "path": ...,
   "body": "small"|"large", "name_prefix": ..., "total": 0}         closed loop: each connection asks again at once
  {"kind": "fanout" or "paced", ...}                                        many watches, see crowd.py
  {"kind": "bulk", ...}                                                     large answers, see bulk.py
With `total` set, it ends after so many requests instead of `seconds`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import httptools
import uvloop

from benchmarks.bulk import run_bulk
from benchmarks.crowd import run_fanout, run_paced
from benchmarks.messages import Messages
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


class Load:
    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self._messages = Messages(job)

    async def connect(self, make: Callable[[], asyncio.Protocol]) -> Any:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(
            make, "127.0.0.1", self.job["port"], ssl=self._messages.context
        )
        return protocol

    async def requests(self) -> dict[str, Any]:
        job = self.job
        loop = asyncio.get_running_loop()
        wanted, count = job.get("total") or 0, job["connections"]
        fixed = self._messages.get(job["path"])

        def make() -> bytes:
            return self._messages.post(job["path"]) if job["method"] == "POST" else fixed

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


async def run(job: dict[str, Any]) -> dict[str, Any]:
    load = Load(job)
    async with asyncio.timeout(_LIMIT_S + 30):
        return await load.requests()


def main() -> int:
    job = json.loads(sys.stdin.read())
    plain = {"bulk": run_bulk, "fanout": run_fanout, "paced": run_paced}.get(job["kind"])
    if plain is not None:
        print(json.dumps(plain(job)))
        return 0
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run(job))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
