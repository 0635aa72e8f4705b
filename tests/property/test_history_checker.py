"""The checker of histories finds what it is for: each kind of lie, told by a store that is broken on purpose."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import pytest
from histories import ABSENT, History, Op, is_linearizable, violations
from workload import BackendSubject, Workload

from apiserver.backends import hub
from apiserver.backends.backend import KV, Change, RangeResult, TxnResult
from apiserver.backends.hub import Subscription, WatchHub
from apiserver.backends.memory import MemoryBackend
from machinery import virtual_loop

SEEDS = 60


class Broken(MemoryBackend):
    """Right until a subclass is wrong; waits a little before and after each step, as a store on a disk does."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = random.Random(seed)

    async def wait(self) -> None:
        await asyncio.sleep(self.rng.random() * 0.004)

    async def put(self, key: str, value: bytes, *, expect: int | None = None) -> TxnResult:
        await self.wait()
        result = await super().put(key, value, expect=expect)
        await self.wait()
        return result

    async def get(self, key: str, *, revision: int = 0) -> KV | None:
        await self.wait()
        kv = await super().get(key, revision=revision)
        await self.wait()
        return kv

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> RangeResult:
        await self.wait()
        result = await super().range(prefix, start=start, limit=limit, revision=revision)
        await self.wait()
        return result


class CompareThenSwapLater(Broken):
    async def put(self, key: str, value: bytes, *, expect: int | None = None) -> TxnResult:
        there = self._index.newest(key)[0]
        await self.wait()
        return await super().put(key, value, expect=None if there == expect else expect)


class StaleGet(Broken):
    async def get(self, key: str, *, revision: int = 0) -> KV | None:
        return await super().get(key, revision=max(1, self._index.head - 6) if self._index.head else 0)


class StaleList(Broken):
    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> RangeResult:
        back = revision or (max(1, self._index.head - 5) if self._index.head else 0)
        return await super().range(prefix, start=start, limit=limit, revision=back)


class TornList(Broken):
    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> RangeResult:
        first = await super().range(prefix)
        second = await super().range(prefix)
        half = len(second.kvs) // 2
        return (
            first
            if revision
            else RangeResult([*first.kvs[:half], *second.kvs[half:]], second.revision, False)
        )


class LostWrite(Broken):
    """Acknowledges what it does not keep."""

    async def put(self, key: str, value: bytes, *, expect: int | None = None) -> TxnResult:
        if (self.rng.random() < 0.03 and self._index.head and expect is None) or self.rng.random() < 0.02:
            return TxnResult(True, self._index.head + 1, None)
        return await super().put(key, value, expect=expect)


class WrongRevision(Broken):
    async def put(self, key: str, value: bytes, *, expect: int | None = None) -> TxnResult:
        result = await super().put(key, value, expect=expect)
        return TxnResult(result.ok, result.revision + (self.rng.random() < 0.05), result.current)


class _Dropping(WatchHub):
    def publish(self, changes: Sequence[Change], newest: int) -> None:
        super().publish([c for c in changes if c.kv.mod_revision % 37], newest)


class _Doubling(WatchHub):
    def publish(self, changes: Sequence[Change], newest: int) -> None:
        super().publish([c for c in changes for _ in range(2 if c.kv.mod_revision % 23 == 0 else 1)], newest)


class LossyWatch(Broken):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._hub = _Dropping(self._history)


class DoublingWatch(Broken):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._hub = _Doubling(self._history)


class SilentGap(Broken):
    """A watch that begins before what is kept goes on as if nothing had been there."""

    def watch(self, prefix: str, from_revision: int) -> Subscription:
        return super().watch(prefix, max(from_revision, self._index.compacted))


def run(make: Callable[[int], MemoryBackend], seed: int) -> list[str]:
    async def main() -> list[str]:
        history, backend = History(), make(seed)
        rng = random.Random(seed)
        load = Workload(BackendSubject(lambda: backend), history, rng)
        async with asyncio.TaskGroup() as group:
            log = group.create_task(load.keep_log())
            writers = [group.create_task(load.write(n)) for n in range(5)]
            watchers = [
                group.create_task(load.watch(10 + n, slow_s=slow)) for n, slow in enumerate((0, 0.01, 0.3))
            ]
            for _ in range(25):
                await asyncio.sleep(0.02)
                await backend.compact(max(0, load.logged - rng.randrange(40)))
            load.running = False
            await asyncio.gather(*writers)
            await backend.put("/t/last", b"last")
            history.begin(99, "put", "last", value="last")
            await asyncio.sleep(1)
            for task in (*watchers, log):
                task.cancel()
        return violations(history)

    return virtual_loop.run(main())


def test_right_store_passes_with_every_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "BUFFER", 8)
    for seed in range(SEEDS):
        assert run(Broken, seed) == [], seed


@pytest.mark.parametrize(
    "broken",
    [
        CompareThenSwapLater,
        StaleGet,
        StaleList,
        TornList,
        LostWrite,
        WrongRevision,
        LossyWatch,
        DoublingWatch,
        SilentGap,
    ],
)
def test_broken_store_is_found_out(broken: type[Broken], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "BUFFER", 8)
    assert any(run(broken, seed) for seed in range(10))


def op(verb: str, begin: float, end: float, **more: object) -> Op:
    return Op(0, verb, "k", begin, end, **{"verdict": "ok", **more})


@pytest.mark.parametrize(
    ("ops", "fits"),
    [
        ([op("put", 0, 1, value="a"), op("get", 2, 3, seen="a")], True),
        ([op("put", 0, 1, value="a"), op("get", 2, 3, seen=None)], False),
        ([op("put", 0, 9, value="a"), op("get", 2, 3, seen=None), op("get", 4, 5, seen="a")], True),
        ([op("put", 0, 9, value="a"), op("get", 2, 3, seen="a"), op("get", 4, 5, seen=None)], False),
        # both cannot have found nothing
        ([op("put", 0, 9, value="a", expect=ABSENT), op("put", 1, 8, value="b", expect=ABSENT)], False),
        # an answer that was lost: may have been made late, or never
        ([op("put", 0, float("inf"), value="a", verdict="unknown"), op("get", 5, 6, seen=None)], True),
        (
            [
                op("put", 0, float("inf"), value="a", verdict="unknown"),
                op("get", 5, 6, seen=None),
                op("get", 7, 8, seen="a"),
            ],
            True,
        ),
        (
            [
                op("put", 0, float("inf"), value="a", verdict="unknown"),
                op("get", 5, 6, seen="a"),
                op("delete", 7, 8, expect="a", seen="a"),
                op("get", 9, 10, seen="a"),
            ],
            False,
        ),
    ],
)
def test_search_finds_an_order_where_there_is_one(ops: list[Op], fits: bool) -> None:
    assert is_linearizable(ops) is fits
