"""Any sequence of writes and compactions: every readable revision and every watch equals a plain model."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from etcd_server import fresh_prefix, shared_etcd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.backends.backend import Backend, Change, Compacted
from apiserver.backends.memory import MemoryBackend
from apiserver.backends.retention import Retention
from apiserver.backends.sqlite import SLICE_BYTES, SqliteBackend
from machinery.clock import SystemClock

KEYS = ("/a/1", "/a/2", "/a/3", "/b/1")
Step = tuple[str, str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("put", "put", "create", "update", "delete", "stale", "compact")),
        st.sampled_from(KEYS),
        st.integers(0, 10),
    ),
    max_size=40,
)
State = dict[str, tuple[bytes, int, int]]  # key → value, create revision, mod revision


async def play(backend: Backend, steps: list[Step]) -> None:
    states: list[State] = [{}]  # by revision
    log: list[tuple[str, bytes, int, bool]] = []
    for n, (verb, key, number) in enumerate(steps):
        now = states[-1]
        there = now.get(key)
        value = f"{n}".encode()
        if verb == "compact":
            await backend.compact(max(await backend.oldest_revision(), len(states) - 1 - number))
            continue
        if verb == "delete":
            result = await backend.delete(key, expect=there[2] if there and number % 2 else None)
            wins = there is not None
        elif verb == "stale":
            result = await backend.put(key, value, expect=(there[2] if there else 0) + 1)
            wins = False
        else:
            expect = {"put": None, "create": 0, "update": there[2] if there else 0}[verb]
            result = await backend.put(key, value, expect=expect)
            wins = verb != "create" or there is None
        assert result.ok is wins
        if not wins:
            assert (result.current and result.current.value) == (there and there[0])
            continue
        after = dict(now)
        if verb == "delete":
            del after[key]
            assert result.current is not None and there is not None and result.current.value == there[0]
        else:
            after[key] = (value, there[1] if there else len(states), len(states))
        log.append((key, b"" if verb == "delete" else value, len(states), verb == "delete"))
        states.append(after)
        assert result.revision == len(states) - 1
    await check(backend, states, log)


async def check(backend: Backend, states: list[State], log: list[tuple[str, bytes, int, bool]]) -> None:
    newest, oldest = len(states) - 1, await backend.oldest_revision()
    assert await backend.revision() == newest
    for revision in range(1, newest + 1):
        if revision < oldest:
            with pytest.raises(Compacted):
                await backend.range("/", revision=revision)
            continue
        got = await backend.range("/", revision=revision)
        assert {kv.key: (kv.value, kv.create_revision, kv.mod_revision) for kv in got.kvs} == states[revision]
        assert [kv.key for kv in got.kvs] == sorted(states[revision])
        one = await backend.get(KEYS[0], revision=revision)
        assert (one and one.value) == (states[revision].get(KEYS[0]) or (None,))[0]
    for revision in range(oldest, newest + 1):
        expected = [change for change in log if change[2] > revision and change[0].startswith("/a/")]
        seen = []
        async with backend.watch("/a/", revision) as stream:
            while len(seen) < len(expected):
                for change in await anext(stream):
                    seen.append((change.kv.key, change.kv.value, change.kv.mod_revision, change.deleted))
                    before = states[change.kv.mod_revision - 1].get(change.kv.key)
                    assert (change.prev and change.prev.value) == (before and before[0])
        assert seen == expected


def etcd(path: Path) -> Backend:
    from apiserver.backends.etcd import EtcdBackend

    return EtcdBackend([shared_etcd().url], SystemClock(), random.Random(1), prefix=fresh_prefix())


MAKERS: dict[str, Callable[[Path], Backend]] = {
    "etcd": etcd,
    "memory": lambda path: MemoryBackend(),
    "sqlite": lambda path: SqliteBackend(path / "store.db", SystemClock()),
}


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_any_history_equals_the_model(kind: str) -> None:
    examples = 30 if kind == "etcd" else 100

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(STEPS)
    def runs(steps: list[Step]) -> None:
        async def main() -> None:
            with tempfile.TemporaryDirectory() as path:
                backend = MAKERS[kind](Path(path))
                await backend.start()
                try:
                    await play(backend, steps)
                finally:
                    await backend.close()

        asyncio.run(main())

    runs()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(STEPS, st.integers(0, 40))
def test_sqlite_reopened_anywhere_goes_on_as_if_never_closed(steps: list[Step], cut: int) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory() as path:
            file = Path(path) / "store.db"
            newest = 0
            for part in (steps[:cut], steps[cut:]):
                backend = SqliteBackend(file, SystemClock())
                await backend.start()
                assert await backend.revision() == newest
                for n, (verb, key, number) in enumerate(part):
                    if verb == "compact":
                        await backend.compact(max(await backend.oldest_revision(), newest - number))
                    elif verb == "delete":
                        newest = max(newest, (await backend.delete(key)).revision)
                    else:
                        newest = (await backend.put(key, b"%d" % n)).revision
                before = (await backend.range("/"), await backend.oldest_revision())
                await backend.close()
            backend = SqliteBackend(file, SystemClock())
            await backend.start()
            assert (await backend.range("/"), await backend.oldest_revision()) == before
            await backend.close()

    asyncio.run(main())


def test_history_bounds_itself_by_revisions() -> None:
    async def main() -> None:
        backend = MemoryBackend(retention=Retention(max_revisions=100, min_revisions=10))
        for i in range(1000):
            await backend.put(f"/a/{i % 7}", b"%d" % i)
        assert 890 <= await backend.oldest_revision() <= 900
        assert len(backend._values) < 140
        assert (await backend.range("/a/")).revision == 1000

    asyncio.run(main())


def test_history_of_large_values_is_read_few_at_a_time(tmp_path: Path) -> None:
    async def main() -> None:
        backend = SqliteBackend(tmp_path / "store.db", SystemClock())
        await backend.start()
        for i in range(12):
            await backend.put(f"/a/{i % 3}", b"%d" % i + b"x" * (SLICE_BYTES // 5))
        await backend.put("/a/0", b"y" * (2 * SLICE_BYTES))
        await backend.delete("/a/0")
        seen: list[Change] = []
        async with backend.watch("/a/", 1) as stream:
            while len(seen) < 13:
                changes = await anext(stream)
                size = sum(
                    len(each.kv.value) + len(each.prev.value if each.prev else b"") for each in changes
                )
                assert size <= SLICE_BYTES or len(changes) == 1
                seen += changes
                assert stream.progress == changes[-1].kv.mod_revision
        assert [change.kv.mod_revision for change in seen] == list(range(2, 15))
        assert all(
            change.prev and change.prev.mod_revision == change.kv.mod_revision - 3 for change in seen[2:11]
        )
        assert seen[-1].deleted and seen[-1].prev and seen[-1].prev.value.startswith(b"yy")
        await backend.close()

    asyncio.run(main())
