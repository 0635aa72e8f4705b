"""Histories of many clients, judged: every store, while it is compacted, restarted, killed and stalled.

What is judged and how is in tests/fakes/histories.py; that the judge finds lies is shown in tests/property/test_history_checker.py.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest
from etcd_server import EtcdServer
from histories import History
from histories_played import judge, play
from revived import Server, reviving
from workload import ApiSubject, BackendSubject, CacherSubject, Workload

from apiserver.backends import hub
from apiserver.backends.backend import KV, Backend, RangeResult, StoreUnavailable, TxnResult
from apiserver.backends.etcd import EtcdBackend
from apiserver.backends.memory import MemoryBackend
from apiserver.backends.sqlite import SqliteBackend
from apiserver.storage.cacher import Cacher
from client.client import Client
from client.kubeconfig import load
from machinery import virtual_loop
from machinery.clock import Clock, SystemClock


class Slow(MemoryBackend):
    """Takes a moment before and after each step."""

    def __init__(self, rng: random.Random, clock: Clock) -> None:
        super().__init__(clock)
        self.rng = rng

    async def wait(self) -> None:
        await asyncio.sleep(self.rng.random() * 0.004)

    async def put(self, key: str, value: bytes, *, expect: int | None = None) -> TxnResult:
        await self.wait()
        result = await super().put(key, value, expect=expect)
        await self.wait()
        return result

    async def delete(self, key: str, *, expect: int | None = None) -> TxnResult:
        await self.wait()
        result = await super().delete(key, expect=expect)
        await self.wait()
        return result

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> RangeResult:
        await self.wait()
        result = await super().range(prefix, start=start, limit=limit, revision=revision)
        await self.wait()
        return result

    async def get(self, key: str, *, revision: int = 0) -> KV | None:
        await self.wait()
        return await super().get(key, revision=revision)


def make_cacher(backend: Backend, clock: Clock, rng: random.Random) -> Cacher:
    """Small: windows are left, and queues run over."""
    return Cacher(
        backend,
        prefix="/registry/x/",
        namespaced=True,
        extract=lambda obj: ({}, {}),
        clock=clock,
        rng=rng,
        window=20,
        queue=12,
    )


@pytest.mark.parametrize("part", range(4))
def test_cache_over_memory_with_restarts_and_compaction_over_many_seeds(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BUFFER", 8)

    async def main(clock: Clock, seed: int) -> None:
        rng = random.Random(seed)
        backend = Slow(rng, clock)
        current: list[Cacher] = []
        feeds: list[asyncio.Task[None]] = []

        async def start() -> None:
            cacher = make_cacher(backend, clock, rng)
            await cacher.start()
            feeds.append(asyncio.create_task(cacher.run()))
            current[:] = [cacher]

        async def trouble(load: Workload) -> None:
            for turn in range(24):
                await clock.sleep(0.03)
                await backend.compact(max(0, load.logged - rng.randrange(40)))
                if turn % 8 == 5:  # the server dies: whatever it had in hand is lost
                    feeds[-1].cancel()
                    await asyncio.wait({feeds[-1]})
                    await start()

        await start()
        subject = CacherSubject(lambda: current[0])
        history, _ = await play([subject], trouble, seed, any_deletes=False)
        feeds[-1].cancel()
        await asyncio.wait({feeds[-1]})
        judge(history, 60)

    for seed in range(part * 15, part * 15 + 15):
        virtual_loop.run(lambda clock, seed=seed: main(clock, seed))


@pytest.mark.parametrize("seed", [1, 2])
def test_sqlite_closed_and_opened_again_with_compaction(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BUFFER", 8)

    async def main() -> None:
        rng, current = random.Random(seed), [SqliteBackend(tmp_path / "s.db", SystemClock())]
        await current[0].start()

        async def trouble(load: Workload) -> None:
            for turn in range(16):
                await asyncio.sleep(0.04)
                await current[0].compact(max(0, load.logged - rng.randrange(40)))
                if turn % 5 == 4:
                    closing, current[0] = current[0], SqliteBackend(tmp_path / "s.db", SystemClock())
                    await closing.close()
                    await current[0].start()

        history, _ = await play([BackendSubject(lambda: current[0])], trouble, seed)
        await current[0].close()
        judge(history, 100)

    asyncio.run(main())


@pytest.mark.parametrize("seed", [1, 2])
def test_two_servers_on_an_etcd_that_is_killed_and_stalled(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BUFFER", 8)
    etcd = EtcdServer().start()

    async def main() -> None:
        rng = random.Random(seed)
        backends = [EtcdBackend([etcd.url], SystemClock(), random.Random(n), patience_s=3.0) for n in (1, 2)]
        for backend in backends:
            await backend.start()

        async def trouble(load: Workload) -> None:
            for turn in range(9):
                await asyncio.sleep(0.15)
                with_past = max(1, load.logged - rng.randrange(40))
                try:
                    await backends[turn % 2].compact(with_past)
                except StoreUnavailable:
                    continue
                if turn % 3 == 1:
                    etcd.stop(signal.SIGKILL)
                    await asyncio.to_thread(etcd.start)
                if turn % 3 == 2:
                    etcd.stall()
                    await asyncio.sleep(0.3)
                    etcd.go_on()

        subjects = [BackendSubject(lambda b=backend: b) for backend in backends]
        history, _ = await play(subjects, trouble, seed)
        for backend in backends:
            await backend.close()
        judge(history, 100)

    try:
        asyncio.run(main())
    finally:
        etcd.remove()


@pytest.mark.timeout(90)
def test_api_server_killed_over_and_over(tmp_path: Path) -> None:
    async def main(reviver: subprocess.Popen[str]) -> History:
        server = Server(reviver)
        server.begin()
        transport = load(str(tmp_path / "kubeconfig")).transport()
        client = Client(transport)
        os.kill(server.pid, signal.SIGKILL)
        await server.revive(client)
        rng = random.Random(5)

        async def trouble(load: Workload) -> None:
            for _ in range(4):
                await asyncio.sleep(rng.uniform(0.3, 0.6))
                server.dies()
                await server.revive(client)
            await asyncio.sleep(0.3)

        history, _ = await play([ApiSubject(client)], trouble, 5, any_deletes=False)
        await transport.close()
        return history

    with reviving(tmp_path) as reviver:
        history = asyncio.run(main(reviver))
    judge(history, 100)
