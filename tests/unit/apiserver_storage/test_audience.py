"""Watches that see the same: one log, rounds, and who is cut off."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest

from apiserver.backends.backend import Compacted
from apiserver.storage import audience
from apiserver.storage.audience import BATCH_BYTES, WAVE
from apiserver.storage.pace import MAX_GAP_S, Interval, plan_wait
from apiserver.storage.store import Batch, Entry, Predicate, StoreEvent
from apiserver.storage.watcher import Watcher, as_added
from apiserver.storage.watchers import Watchers
from apiserver.storage.window import CacheEvent, Window
from machinery.clock import LoopClock
from machinery.virtual_loop import run

CROWD = 1000  # so many that they are paced at the longest gap


async def _nothing(_: Watcher) -> None:
    return


def watcher(
    watchers: Watchers, namespace: str = "", predicate: Predicate | None = None, bookmarks: bool = False
) -> Watcher:
    made = Watcher(namespace, "", predicate, 0, bookmarks, _nothing, watchers.remove)
    watchers.add(made)
    return made


def change(revision: int, namespace: str = "d", size: int = 2) -> CacheEvent:
    return CacheEvent(revision, None, Entry(f"/{revision}", namespace, "x", revision, b"x" * size, {}, {}))


def play(body: Callable[[Watchers, asyncio.AbstractEventLoop], Awaitable[None]], limit: int = 4096) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        await body(Watchers(limit, LoopClock(loop, 0)), loop)

    run(main())


class Reader:
    """Notes when it was given what; asks again after a pause, if it has one."""

    def __init__(self, watched: Watcher, loop: asyncio.AbstractEventLoop, pause_s: float = 0) -> None:
        self.batches: list[tuple[float, Sequence[StoreEvent]]] = []
        self._pause_s = pause_s
        self.task = asyncio.ensure_future(self._read(watched, loop))

    async def _read(self, watched: Watcher, loop: asyncio.AbstractEventLoop) -> None:
        async for batch in watched:
            self.batches.append((loop.time(), batch))
            if self._pause_s:
                await asyncio.sleep(self._pause_s)

    @property
    def revisions(self) -> list[int]:
        return [event.revision for _, batch in self.batches for event in batch]


async def finish(watchers: Watchers, readers: Sequence[Reader]) -> None:
    watchers.end()
    await asyncio.gather(*(reader.task for reader in readers))


async def settle() -> None:
    for _ in range(2 * CROWD // WAVE):
        await asyncio.sleep(0)


def test_crowd_of_watchers_takes_frequent_changes_together_all_in_order_and_the_same_batch() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        readers = [Reader(watcher(watchers), loop) for _ in range(CROWD)]
        await asyncio.sleep(0)
        for revision in range(1, 101):
            watchers.offer(change(revision))
            await asyncio.sleep(0.01)
        await finish(watchers, readers)
        assert all(reader.revisions == list(range(1, 101)) for reader in readers)
        assert len(readers[0].batches) < 40
        given = {id(batch) for reader in readers for _, batch in reader.batches}
        assert len(given) < 60 and all(isinstance(batch, Batch) for _, batch in readers[0].batches)
        late = [at - 0.01 * (event.revision - 1) for at, batch in readers[-1].batches for event in batch]
        assert max(late) <= MAX_GAP_S + 0.001

    play(body)


def test_rare_change_reaches_a_crowd_at_once() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        readers = [Reader(watcher(watchers), loop) for _ in range(CROWD)]
        await asyncio.sleep(0)
        for revision in range(1, 30):
            begun = loop.time()
            watchers.offer(change(revision))
            await settle()
            assert loop.time() == begun and readers[-1].revisions[-1] == revision
            await asyncio.sleep(MAX_GAP_S)
        await finish(watchers, readers)

    play(body)


def test_few_watchers_get_every_change_at_once() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        readers = [Reader(watcher(watchers, place), loop) for place in ("", "d") for _ in range(20)]
        elsewhere = Reader(watcher(watchers, "other"), loop)
        await asyncio.sleep(0)
        for revision in range(1, 50):
            watchers.offer(change(revision))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert all(reader.revisions[-1] == revision for reader in readers)
        await finish(watchers, [*readers, elsewhere])
        assert not elsewhere.revisions and watchers.count() == 41

    play(body)


def test_watcher_that_reads_nothing_is_cut_off_and_holds_nothing_back() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        quick, slow = Reader(watcher(watchers), loop), watcher(watchers)
        half = watcher(watchers)
        await asyncio.sleep(0)
        for revision in range(1, 11):
            watchers.offer(change(revision))
            await asyncio.sleep(1)
            if revision == 6:
                assert [event.revision for event in await anext(half)] == [1, 2, 3, 4, 5, 6]
        watchers.offer(change(11))
        with pytest.raises(Compacted):
            await anext(slow)
        assert [event.revision for event in await anext(half)] == [7, 8, 9, 10, 11]
        await finish(watchers, [quick])
        assert quick.revisions == list(range(1, 12)) and watchers.count() == 2

    play(body, limit=10)


def test_reader_that_lags_is_served_when_it_asks_and_in_bounded_batches() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        others = [Reader(watcher(watchers), loop) for _ in range(CROWD)]
        slow = watcher(watchers)
        await asyncio.sleep(0)
        for revision in range(1, 101):
            watchers.offer(change(revision, size=10_000))
            await asyncio.sleep(0.01)
        begun = loop.time()
        seen: list[int] = []
        while len(seen) < 90:
            batch = await anext(slow)
            assert sum(len(event.entry.data) for event in batch if event.entry) <= BATCH_BYTES
            seen += [event.revision for event in batch]
        assert loop.time() == begun and seen == list(range(1, len(seen) + 1))
        watchers.remove(slow)
        await finish(watchers, others)

    play(body)


def test_reader_that_is_up_to_date_waits_for_the_next_round_also_when_it_asks_late() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        others = [Reader(watcher(watchers), loop) for _ in range(CROWD)]
        late = Reader(watcher(watchers), loop, pause_s=0.015)
        await asyncio.sleep(0)
        for revision in range(1, 101):
            watchers.offer(change(revision))
            await asyncio.sleep(0.01)
        await finish(watchers, [*others, late])
        assert late.revisions == list(range(1, 101)) and len(late.batches) < 40

    play(body)


def test_watchers_that_come_and_go_in_the_midst_of_rounds_miss_and_repeat_nothing() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        readers: list[tuple[int, Reader]] = []
        gone: list[Watcher] = []
        for revision in range(1, 201):
            if revision % 2:
                readers += [(revision, Reader(watcher(watchers), loop)) for _ in range(12)]
                passing = watcher(watchers)
                gone.append(passing)
            watchers.offer(change(revision))
            if revision % 3 == 0:
                watchers.remove(gone.pop(0))
            await asyncio.sleep(0.004 if revision % 5 else 0)
        for each in gone:
            watchers.remove(each)
        await finish(watchers, [reader for _, reader in readers])
        assert all(reader.revisions == list(range(first, 201)) for first, reader in readers)

    play(body)


def test_equal_selections_share_what_they_see_and_bookmarks_go_to_who_asked() -> None:
    from apiserver.engine.selection import Selection
    from machinery.selectors import parse_field_selector, parse_label_selector

    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        def selection() -> Selection:
            return Selection(parse_label_selector("!gone"), parse_field_selector("spec.nodeName=n1"))

        asked = watcher(watchers, predicate=selection(), bookmarks=True)
        pair = [watcher(watchers, predicate=selection()) for _ in range(2)]
        assert len(list(watchers)) == 2 and watchers.interested("") == 0
        entry = Entry("/1", "d", "x", 1, b"{}", {}, {"spec.nodeName": "n1"})
        watchers.offer(CacheEvent(1, None, entry))
        watchers.offer(CacheEvent(2, None, Entry("/2", "d", "x", 2, b"{}", {}, {"spec.nodeName": "n2"})))
        watchers.bookmark(2)
        assert [event.type for event in await anext(asked)] == ["ADDED", "BOOKMARK"]
        first, second = await anext(pair[0]), await anext(pair[1])
        assert first is second and [event.revision for event in first] == [1]
        for each in (asked, *pair):
            watchers.remove(each)
        assert not list(watchers)

    play(body)


def living(kind: type) -> int:
    gc.collect()
    return sum(type(each) is kind for each in gc.get_objects())


def test_log_of_a_busy_crowd_is_short_though_all_are_never_up_to_date_at_once() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        readers: list[Reader] = []
        before = living(StoreEvent)
        for revision in range(1, 1001):
            if revision <= 100:
                readers.append(Reader(watcher(watchers), loop, pause_s=0.05))
            watchers.offer(change(revision))
            await asyncio.sleep(0.001)
        for reader in readers:
            reader.batches = reader.batches[-1:]
        held = living(StoreEvent) - before
        await finish(watchers, readers)
        assert all(reader.revisions[-1] == 1000 for reader in readers)
        assert held < 200

    play(body)


def test_nothing_is_taken_for_a_function_that_is_not_ready_and_all_of_it_later() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        slow, taken, is_ready = watcher(watchers), list[int](), True

        def take(batch: Sequence[StoreEvent]) -> bool:
            taken.extend(event.revision for event in batch)
            return True

        slow.deliver_to(take, lambda: is_ready)
        reading = asyncio.ensure_future(anext(slow))
        await asyncio.sleep(0)
        for revision in range(1, 6):
            if revision == 3:
                is_ready = False
            watchers.offer(change(revision))
            await settle()
        assert taken == [1, 2] and slow.position == 2
        assert list(await reading) == []
        assert [event.revision for event in await anext(slow)] == [3, 4, 5]
        watchers.remove(slow)

    play(body)


def test_lone_reader_that_lags_holds_only_what_it_has_not_read() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        slow = watcher(watchers)
        for revision in range(1, 101):
            watchers.offer(change(revision, size=BATCH_BYTES // 4))
        before = living(StoreEvent)
        for _ in range(20):
            await anext(slow)
        assert living(StoreEvent) <= before - 76
        watchers.remove(slow)

    play(body)


def test_readers_that_lag_each_elsewhere_leave_few_batches_behind() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        everyone = [watcher(watchers) for _ in range(100)]
        for index, each in enumerate(everyone):
            watchers.offer(change(index + 1))
            await asyncio.sleep(1)
            await anext(each)
        before = living(Batch)
        for each in everyone[:-2]:
            await anext(each)
        assert living(Batch) - before <= 20

    play(body)


def test_reader_that_is_behind_by_large_objects_is_cut_off_before_they_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audience, "LOG_BYTES", 1000)

    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        quick, slow, half = Reader(watcher(watchers), loop), watcher(watchers), watcher(watchers)
        for revision in range(1, 10):
            watchers.offer(change(revision, size=100))
            await asyncio.sleep(1)
            if revision == 3:
                assert len(await anext(half)) == 3
        assert watchers.count() == 3
        watchers.offer(change(10, size=800))  # 300 may stay, and half is behind by 600
        with pytest.raises(Compacted):
            await anext(slow)
        with pytest.raises(Compacted):
            await anext(half)
        await asyncio.sleep(1)
        watchers.offer(change(11, size=5000))
        await finish(watchers, [quick])
        assert quick.revisions == list(range(1, 12))

    play(body)


def test_audiences_hold_no_more_together_than_a_few_and_the_longest_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audience, "LOGS_BYTES", 1000)

    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        stuck = {name: watcher(watchers, name) for name in ("a", "b", "c")}
        reads = Reader(watcher(watchers), loop)
        for revision in range(1, 9):
            watchers.offer(change(revision, "abbbcccc"[revision - 1], size=110))
            await asyncio.sleep(1)
        assert watchers.count() == 4
        watchers.offer(change(9, "a", size=110))
        await asyncio.sleep(1)
        watchers.offer(change(10, "a", size=110))
        await asyncio.sleep(1)
        with pytest.raises(Compacted):
            await anext(stuck["c"])
        for name, revisions in (("a", [1, 9, 10]), ("b", [2, 3, 4])):
            assert [event.revision for event in await anext(stuck[name])] == revisions
        for _ in range(100):  # what was read or cut counts no more
            watchers.offer(change(11, "c", size=990))
            await asyncio.sleep(1)
        assert watchers.count() == 3
        for each in stuck.values():
            watchers.remove(each)
        await finish(watchers, [reads])

    play(body)


def test_reader_that_is_cut_off_in_its_beginning_is_told_so_at_once_and_holds_it_no_longer() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        slow, quick = watcher(watchers), Reader(watcher(watchers), loop)
        before = living(StoreEvent)
        slow.begin_with(StoreEvent("ADDED", revision, None) for revision in range(1, 2001))
        assert len(await anext(slow)) < 2000
        for revision in range(2001, 2013):
            watchers.offer(change(revision))
            await asyncio.sleep(1)
        quick.batches.clear()
        assert living(StoreEvent) - before < 20
        with pytest.raises(Compacted):
            await anext(slow)
        await finish(watchers, [quick])

    play(body, limit=10)


def test_beginning_is_made_while_it_is_read_and_let_go_of() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        before = living(StoreEvent), living(Entry)
        each = watcher(watchers)
        each.begin_with(as_added([change(revision).entry for revision in range(1, 2001)], 2000))
        assert living(StoreEvent) - before[0] < 3
        seen = list(await anext(each))
        assert [event.revision for event in seen] == list(range(1, len(seen) + 1))
        seen.clear()
        assert living(Entry) - before[1] <= 1501 and living(StoreEvent) - before[0] < 3
        while not seen or not seen[-1].initial_end:
            seen += await anext(each)
        assert [event.revision for event in seen] == [*range(501, 2001), 2000]
        watchers.remove(each)

    play(body)


def test_window_of_large_objects_holds_few_and_the_newest_always() -> None:
    window = Window(5, 0, size_bytes=1000)
    for revision in range(1, 8):
        window.add(change(revision, size=100))
    assert [event.revision for event in window.since(0)] == [3, 4, 5, 6, 7] and window.floor == 2
    window.add(change(8, size=700))
    assert [event.revision for event in window.since(0)] == [5, 6, 7, 8] and window.floor == 4
    window.add(change(9, size=5000))
    assert [event.revision for event in window.since(0)] == [9] and window.floor == 8
    window.add(change(10))
    assert [event.revision for event in window.since(0)] == [10] and window.floor == 9


def test_storm_of_watchers_in_places_of_their_own_leaves_nothing_and_takes_no_longer_for_each() -> None:
    async def body(watchers: Watchers, loop: asyncio.AbstractEventLoop) -> None:
        spent_s: list[float] = []
        for count in (200, 200, 6000):
            there = [watcher(watchers, namespace=f"n{index}") for index in range(count)]
            begun_s = time.process_time()
            for each in there:
                watchers.remove(each)
                watchers.remove(each)
            spent_s.append((time.process_time() - begun_s) / count)
            assert not list(watchers) and not watchers.count() and not watchers._by_namespace
        assert spent_s[2] < 10 * min(spent_s[:2])

    play(body)


@pytest.mark.parametrize(
    ("readers", "since_s", "every_s", "wait_s"),
    [
        (20, 0, 0, 0),  # too few to gather for
        (500, 0, 0.01, 0.02),
        (500, 0.015, 0.01, 0),  # the next change would come after the round
        (5000, 0.01, 0.01, MAX_GAP_S - 0.01),
        (5000, 1, 0.01, 0),
        (5000, 0, 0.05, 0),
    ],
)
def test_wait_is_planned(readers: int, since_s: float, every_s: float, wait_s: float) -> None:
    assert plan_wait(readers, since_s, every_s) == pytest.approx(wait_s)


def test_interval_follows_the_changes_and_forgets_a_pause() -> None:
    interval = Interval()
    for index in range(20):
        interval.heard(100 + index * 0.01)
    assert interval.mean_s == pytest.approx(0.01, rel=0.1)
    interval.heard(200)
    assert 0.02 < interval.mean_s < MAX_GAP_S
