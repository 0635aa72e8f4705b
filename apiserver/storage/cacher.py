"""One resource's objects in memory: every read, list and watch is answered from here, writes go through.

    writes ──► backend (compare and swap, durable) ──► one backend watch ──► feed ──► entries, window, watchers

Each object is decoded once at most: a write hands its labels and fields over to the feed, which finds
them by the written bytes, and the revision is spliced into the bytes (`encoding.py`). What is held is
bytes, labels and selectable fields; nobody shares a decoded object.

Invariants:
* The entries are exactly the backend's state under the prefix as of `_progress`.
* A write returns only after its change went through the feed: whoever wrote, reads it.
* Applying changes and opening a watch never wait in between: no watcher misses or repeats a change.
* The feed waits for no reader. A slow one is cut off (Compacted), never slowed for.
* Where other servers write to the same backend (`shared`), a read of the newest first asks it how new that is, and
  waits until the feed is there. Otherwise memory is the newest by itself.

Reads at a past revision come from the window of recent changes, older ones from the backend's history.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

import orjson

from apiserver.backends.backend import (
    KV,
    Backend,
    Change,
    ChangeStream,
    Compacted,
    FutureRevision,
    StoreUnavailable,
    TxnResult,
)
from apiserver.background import Background
from apiserver.histogram import Histogram
from apiserver.storage.arrivals import Arrivals
from apiserver.storage.at_rest import AtRest
from apiserver.storage.blocks import Lists
from apiserver.storage.encoding import Cipher, encode, with_revision
from apiserver.storage.expiry import Expiry
from apiserver.storage.extract import Extract
from apiserver.storage.past import Past
from apiserver.storage.store import (
    Entry,
    ListResult,
    Obj,
    Piece,
    Predicate,
    StaleRevision,
)
from apiserver.storage.watcher import Watcher, as_added, as_seen
from apiserver.storage.watchers import Watchers
from apiserver.storage.window import CacheEvent, Window, restamped
from machinery.clock import Clock
from machinery.sorted_keys import SortedKeys

WINDOW = 2048  # events kept in memory
QUEUE = 4096  # events a watcher may be behind
PAGE = 500
BOOKMARK_EVERY_S = 60.0
RETRY_S = 1.0
_BUCKETS_S = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)


class Cacher:
    """Implements apiserver.storage.store.Store. `prefix` ends with a slash, e.g. "/registry/pods/".

    `start` loads; `run` feeds until cancelled, and no write returns without it running.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        prefix: str,
        namespaced: bool,
        extract: Extract,
        clock: Clock,
        rng: random.Random,
        ttl_s: float | None = None,
        cipher: Cipher | None = None,
        window: int = WINDOW,
        queue: int = QUEUE,
    ) -> None:
        self._backend = backend
        self._shared = backend.shared
        self._prefix = prefix
        self._namespaced = namespaced
        self._extract = extract
        self._clock = clock
        self._rng = rng
        self._at_rest = AtRest(cipher)
        self.background = Background(clock, rng)
        self._window_size = window
        self._expiry = Expiry(ttl_s, clock) if ttl_s else None
        self._entries: dict[str, Entry] = {}
        self._order = SortedKeys()
        self._window = Window(window, 0)
        self._loaded = 0  # the revision of the last load
        self._stream: ChangeStream | None = None
        self._held: int | None = None  # the progress while changes that came wait for their keys
        self._written: dict[bytes | int, tuple[Mapping[str, str], Mapping[str, str]]] = {}
        self._arrivals = Arrivals(clock, lambda: self._progress)
        self._watchers = Watchers(queue, clock)
        self._blobs: dict[str, bytes] = {}
        self._lists = Lists()
        self._past = Past(backend, self._at_rest.fetch_keys, self._decode)
        self._closed = False
        self.times: dict[str, Histogram] = {}  # of the backend's writes, by operation

    def objects(self) -> int:
        return len(self._entries)

    def watched(self) -> int:
        """How many watches are open."""
        return self._watchers.count()

    def watching(self, namespace: str) -> int:
        return self._watchers.interested(namespace)

    # Life

    async def start(self) -> None:
        """Loads what is stored. Raises StoreUnavailable."""
        await self._load()

    async def run(self) -> None:
        """Feeds the cache until cancelled or closed; survives an unavailable backend. What fails otherwise is raised: nobody
        may read from a cache that is not fed."""
        try:
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(self.background.keep("upkeep of caches", self._keep_house))
                await self._feed()
                keeper.cancel()
        finally:
            await self.close()

    async def close(self) -> None:
        """Ends every watch. What still waits for the feed is told that the store is unavailable."""
        self._closed = True
        self._watchers.end()
        self._arrivals.close()

    # Reads

    async def get(self, namespace: str, name: str, *, revision: int = 0) -> Entry | None:
        key = self._key(namespace, name)
        if revision == 0:
            if self._shared:
                await self._catch_up()
            return self._entries.get(key)
        await self._arrivals.of_a_read(revision)
        if revision >= self._window.floor:
            changed = self._window.undo(revision)
            return changed[key] if key in changed else self._entries.get(key)
        kv = await self._backend.get(key, revision=revision)
        if kv is None:
            return None
        await self._at_rest.fetch_keys([kv])
        return self._decode(kv)

    async def list(
        self,
        namespace: str = "",
        *,
        predicate: Predicate | None = None,
        start_key: str = "",
        limit: int = 0,
        revision: int = 0,
        min_revision: int = 0,
    ) -> ListResult:
        if self._shared and not (revision or min_revision):
            await self._catch_up()
        await self._arrivals.of_a_read(max(revision, min_revision))
        prefix = self._key(namespace, "") if namespace and self._namespaced else self._prefix
        if revision and revision < self._window.floor:
            return await self._past.list(prefix, predicate, start_key, limit, revision)
        if revision and self._window.changed_since(revision):
            entries = self._window.past(self._entries, revision)
            order = sorted(entries)
        else:
            entries, order = self._entries, self._order.in_order()
            revision = revision or self._progress
        lo = bisect_left(order, max(prefix, start_key))
        hi = bisect_right(order, prefix + "\U0010ffff")
        found: list[Entry] = []
        for i in range(lo, hi):
            entry = entries[order[i]]
            if predicate is not None and not predicate(entry.labels, entry.fields):
                continue
            if limit and len(found) == limit:
                return ListResult(found, revision, entry.key, None if predicate else hi - i)
            found.append(entry)
        return ListResult(found, revision, "", None)

    async def list_json(self, namespace: str = "") -> tuple[bytes, int]:
        if not self._namespaced:
            namespace = ""
        if self._shared:
            await self._catch_up()
        blob = self._blobs.get(namespace)
        if blob is None:
            prefix = self._key(namespace, "") if namespace else self._prefix
            blob = self._blobs[namespace] = b",".join([entry.data for entry in self._under(prefix)])
        return blob, self._progress

    def is_newest(self, blob: bytes, namespace: str = "") -> bool:
        return not self._shared and self._blobs.get(namespace if self._namespaced else "") is blob

    async def list_pieces(self, namespace: str = "", *, newest: bool = True) -> tuple[Sequence[Piece], int]:
        if self._shared and newest:
            await self._catch_up()
        prefix = self._key(namespace, "") if namespace and self._namespaced else self._prefix
        pieces = self._lists.pieces(self._entries, self._order.in_order(), prefix, prefix + "\U0010ffff")
        return pieces, self._progress

    async def revision(self) -> int:
        if self._shared:
            await self._catch_up()
        return self._progress

    # Writes

    async def create(self, namespace: str, name: str, obj: Obj) -> Entry:
        return await self._put(self._key(namespace, name), obj, 0)

    async def update(self, namespace: str, name: str, obj: Obj, expect_revision: int) -> Entry:
        return await self._put(self._key(namespace, name), obj, expect_revision)

    async def delete(self, namespace: str, name: str, expect_revision: int) -> Entry:
        key = self._key(namespace, name)
        last = self._entries.get(key)
        started_s = self._clock.monotonic()
        result = await self._backend.delete(key, expect=expect_revision)
        self._timed("delete", started_s)
        if not result.ok:
            raise StaleRevision(await self._current(result))
        await self._arrivals.of_a_write(result.revision)
        if last is None or last.revision != expect_revision:
            assert result.current is not None
            await self._at_rest.fetch_keys([result.current])
            last = self._decode(result.current)
        return restamped(last, result.revision)

    async def _put(self, key: str, obj: Obj, expect: int) -> Entry:
        value = encode(obj)
        selection = self._extract(obj)
        stored, sealed_by = self._at_rest.seal(key, value)
        mark = self._mark(stored)
        self._written[mark] = selection
        try:
            started_s = self._clock.monotonic()
            result = await self._backend.put(key, stored, expect=expect)
            self._timed("update" if expect else "create", started_s)
            if not result.ok:
                raise StaleRevision(await self._current(result))
            await self._arrivals.of_a_write(result.revision)
        finally:
            self._written.pop(mark, None)
        entry = self._entries.get(key)
        if entry is not None and entry.revision == result.revision:
            return entry
        return self._entry(key, result.revision, value, selection, sealed_by)

    def is_stale(self, entry: Entry) -> bool:
        return self._at_rest.is_stale(entry)

    def _timed(self, operation: str, started_s: float) -> None:
        times = self.times.get(operation)
        if times is None:
            times = self.times[operation] = Histogram(_BUCKETS_S)
        times.add(self._clock.monotonic() - started_s)

    async def _current(self, result: TxnResult) -> Entry | None:
        if result.current is None:
            return None
        await self._at_rest.fetch_keys([result.current])
        return self._decode(result.current)

    # Watches

    def watch(
        self,
        namespace: str = "",
        *,
        from_revision: int,
        predicate: Predicate | None = None,
        name: str = "",
        send_initial: bool = False,
        bookmarks: bool = False,
    ) -> Watcher:
        async def open_(watcher: Watcher) -> None:
            if send_initial:
                if self._shared and not from_revision:
                    await self._catch_up()
                await self._arrivals.of_a_read(from_revision)
                self._begin_with_state(watcher)
            else:
                await self._arrivals.of_a_read(from_revision)
                await self._begin_in_past(watcher)

        return Watcher(
            namespace if self._namespaced else "",
            name,
            predicate,
            from_revision,
            bookmarks,
            open_,
            self._watchers.remove,
        )

    def _begin_with_state(self, watcher: Watcher) -> None:
        revision = self._progress
        prefix = self._key(watcher.namespace, watcher.name) if watcher.namespace else self._prefix
        there = [
            entry
            for entry in self._under(prefix)
            if (not watcher.name or entry.name == watcher.name)
            and (watcher.predicate is None or watcher.predicate(entry.labels, entry.fields))
        ]
        watcher.begin_with(as_added(there, revision))
        watcher.revision = revision
        self._watchers.add(watcher)

    async def _begin_in_past(self, watcher: Watcher) -> None:
        if watcher.revision < self._window.floor:
            # One look at the backend tells now, and not in the midst of the stream, what is compacted.
            async with self._backend.watch(self._prefix, watcher.revision):
                pass
        if watcher.revision >= self._window.floor:
            watcher.begin_with(as_seen(self._window.since(watcher.revision), watcher))
        else:
            watcher.history = self._past.replay(self._prefix, watcher, watcher.revision, self._progress)
            watcher.revision = self._progress
        self._watchers.add(watcher)

    # The feed

    @property
    def _progress(self) -> int:
        if self._held is not None:
            return self._held
        return max(self._loaded, self._stream.progress) if self._stream else self._loaded

    async def _feed(self) -> None:
        lost = False
        while not self._closed:
            try:
                if lost:
                    await self._reload()
                    lost = False
                async with self._backend.watch(self._prefix, self._progress) as stream:
                    self._stream = stream
                    try:
                        async for changes in stream:
                            if self._at_rest.lacking(changes):
                                await self._fetch_for_feed(changes)
                            self._apply(changes)
                    finally:
                        self._loaded, self._stream = self._progress, None
                        self._held = None
                return  # the backend is closed
            except Compacted:
                lost = True
            except StoreUnavailable:
                await self._clock.sleep(RETRY_S * (0.5 + self._rng.random()))

    async def _fetch_for_feed(self, changes: Sequence[Change]) -> None:
        """What the stream has handed out is not here yet: until it is, or the watch begins anew before it, nobody may
        take this cache for being that far. Raises StoreUnavailable, with the progress still held."""
        self._held = changes[0].kv.mod_revision - 1
        await self._at_rest.fetch_keys(change.kv for change in changes)
        self._held = None

    def _apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            kv = change.kv
            before = self._entries.get(kv.key)
            if change.deleted:
                if before is None:
                    continue
                del self._entries[kv.key]
                self._order.discard(kv.key)
                event = CacheEvent(kv.mod_revision, before, None)
            else:
                after = self._decode(kv)
                if before is None:
                    self._order.add(kv.key)
                self._entries[kv.key] = after
                event = CacheEvent(kv.mod_revision, before, after)
                if self._expiry:
                    self._expiry.add(after)
            self._lists.apply(kv.key, before, event.after)
            self._window.add(event)
            self._watchers.offer(event)
        self._blobs.clear()
        self._arrivals.release()

    async def _load(self) -> None:
        result = await self._backend.range(self._prefix)
        await self._at_rest.fetch_keys(result.kvs)
        entries: dict[str, Entry] = {}
        for i, kv in enumerate(result.kvs):
            # Not what is known under that revision: a backend that was restored gives its revisions to other writes.
            entries[kv.key] = self._read(kv)
            if i % PAGE == PAGE - 1:
                await asyncio.sleep(0)
        self._entries = entries
        self._order = SortedKeys(kv.key for kv in result.kvs)
        self._window = Window(self._window_size, result.revision)
        self._loaded = result.revision
        self._blobs.clear()
        self._lists.drop()
        if self._expiry:
            self._expiry.load(entries.values())

    async def _reload(self) -> None:
        """The feed fell behind compaction: build anew, and cut off every watch, which cannot be made whole."""
        await self._load()
        self._watchers.cut(self._loaded)
        self._arrivals.release()

    async def _catch_up(self) -> None:
        """Until this cache has all that anybody was told is written. Raises StoreUnavailable."""
        newest = await self._backend.revision()
        try:
            await self._arrivals.of_a_read(newest)
        except FutureRevision as error:
            raise StoreUnavailable(f"the cache of {self._prefix} is behind the store") from error

    async def _keep_house(self) -> None:
        """Bookmarks for who asked for them, and expired objects out."""
        every_s = self._expiry.sweep_every_s(BOOKMARK_EVERY_S) if self._expiry else BOOKMARK_EVERY_S
        await self._clock.sleep(every_s * self._rng.random())
        next_bookmark = 0.0
        while True:
            now = self._clock.monotonic()
            if now >= next_bookmark:
                self._watchers.bookmark(self._progress)
                next_bookmark = now + BOOKMARK_EVERY_S - 1
                self._lists.drop_unused()
            if self._expiry:
                await self._expiry.sweep(self._entries, self._backend)
            await self._clock.sleep(every_s)

    # Entries

    def _key(self, namespace: str, name: str) -> str:
        return f"{self._prefix}{namespace}/{name}" if self._namespaced else self._prefix + name

    def _mark(self, value: bytes) -> bytes | int:
        """What the feed finds a write by: the very bytes, where they stay in this process."""
        return value if self._shared else id(value)

    def _decode(self, kv: KV) -> Entry:
        there = self._entries.get(kv.key)
        if there is not None and there.revision == kv.mod_revision:
            return there
        return self._read(kv)

    def _read(self, kv: KV) -> Entry:
        value, sealed_by = self._at_rest.open(kv)
        selection = self._written.get(self._mark(kv.value))
        if selection is None:
            selection = self._extract(orjson.loads(value))
        return self._entry(kv.key, kv.mod_revision, value, selection, sealed_by)

    def _entry(
        self,
        key: str,
        revision: int,
        value: bytes,
        selection: tuple[Mapping[str, str], Mapping[str, str]],
        sealed_by: bytes,
    ) -> Entry:
        namespace, _, name = key[len(self._prefix) :].rpartition("/")
        return Entry(key, namespace, name, revision, with_revision(value, revision), *selection, sealed_by)

    def _under(self, prefix: str) -> Iterator[Entry]:
        order = self._order.in_order()
        for i in range(bisect_left(order, prefix), len(order)):
            key = order[i]
            if not key.startswith(prefix):
                return
            yield self._entries[key]
