"""The one watch that an API server keeps on etcd: every revision passes here, in order, and goes to the hub.

It watches all keys, not only ours: then each revision brings an event, and the feed knows at any time that it has
seen everything up to some revision. That is what makes reads from a cache consistent (`reached`), and it needs none of
etcd's progress requests, whose answers overtook events before etcd 3.4.25 and 3.5.8 (etcd issue 15220).

The newest changes are kept in memory, so that watches which start a little in the past ask etcd for nothing; what lies
further back is read from etcd's history. When the connection is lost the feed comes back and goes on behind the last
revision it has seen. If etcd has compacted that away, or its revisions went back (another data directory), every watch
gets Compacted: its owner lists again.

Revisions here are ours: etcd's plus `Origin.shift`.
"""

from __future__ import annotations

import asyncio
import heapq
from bisect import bisect_right
from collections.abc import Sequence

from apiserver.backends.backend import KV, Change, Compacted, StoreUnavailable
from apiserver.backends.etcd_client import RANGE, EtcdClient
from apiserver.backends.etcd_messages import (
    RawEvent,
    RawKV,
    WatchAnswer,
    range_request,
    revision_of,
    watch_answer,
    watch_request,
)
from apiserver.backends.etcd_origin import Origin
from apiserver.backends.hub import WatchHub
from machinery.clock import Clock

SLICE = 4096  # changes handed out in one step of a watch's history
RECENT = 16_384  # changes kept in memory
RECENT_BYTES = 32 << 20
SEED = 1000  # revisions read back at the start
_RETRY_S = (0.02, 0.5)
_ALL = (b"\0", b"\0")


class EtcdFeed:
    def __init__(self, client: EtcdClient, clock: Clock) -> None:
        self.hub = WatchHub(self.history)
        self.oldest = 0  # the oldest readable revision, as far as is known
        self._client = client
        self._clock = clock
        self._origin = Origin(b"", 0, 0)
        self._seen = 0  # etcd's own number of the last revision seen
        self._recent: list[Change] = []
        self._recent_bytes = 0
        self._floor = 0  # every change with a greater revision is in `_recent`
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    async def start(self, origin: Origin) -> None:
        """Before `run`. Begins a little before now. Raises StoreUnavailable."""
        self._origin = origin
        self.oldest = origin.oldest
        now = await self._now()
        self._seen = max(0, now - SEED, origin.oldest - origin.shift)
        self._floor = self.hub.newest = self._seen + origin.shift

    async def run(self) -> None:
        """Until cancelled; survives the loss of etcd."""
        pause_s = _RETRY_S[0]
        while True:
            seen = self._seen
            try:
                await self._follow()
            except StoreUnavailable:
                pause_s = _RETRY_S[0] if self._seen != seen else min(pause_s * 2, _RETRY_S[1])
                await self._clock.sleep(pause_s)

    async def reached(self, revision: int) -> None:
        """Until everything up to `revision` is with the hub."""
        if self.hub.newest >= revision:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (revision, self._count, future))
        await future

    def close(self) -> None:
        """Ends every watch and every wait."""
        self.hub.close()
        waiting, self._waiting = self._waiting, []
        for _, _, future in waiting:
            if not future.done():
                future.set_exception(StoreUnavailable("the store is closed"))

    async def _now(self) -> int:
        return revision_of(await self._client.call(RANGE, range_request(b"\0", count_only=True)))

    async def _follow(self) -> None:
        now = await self._now()
        if now < self._seen:
            self._lapse(now, "etcd's revisions went back")
        async with self._client.watch(watch_request(*_ALL, self._seen + 1)) as stream:
            pieces: list[RawEvent] = []
            while True:
                answer = watch_answer(await stream.read())
                if answer.canceled:
                    self._on_canceled(answer)
                    return
                pieces += answer.events
                if pieces and not answer.fragment:
                    self._take(pieces)
                    pieces = []

    def _on_canceled(self, answer: WatchAnswer) -> None:
        if not answer.compact_revision:
            raise StoreUnavailable(f"etcd ended the watch: {answer.reason or 'no reason given'}")
        self.oldest = max(self.oldest, answer.compact_revision + self._origin.shift)
        if self._floor == self.hub.newest and not self._recent and not self._waiting:
            # At the start, when nobody watches yet: what we wanted to read back is gone.
            self._seen = max(self._seen, answer.compact_revision)
            self._floor = self.hub.newest = self._seen + self._origin.shift
        else:
            self._lapse(answer.compact_revision, "etcd compacted what was not seen yet")

    def _lapse(self, seen: int, why: str) -> None:
        """Goes on at `seen` with a gap before it."""
        self._seen = seen
        newest = seen + self._origin.shift
        self._recent.clear()
        self._recent_bytes = 0
        self._floor = newest
        self.hub.lapse(newest)
        self._release()

    def _take(self, events: Sequence[RawEvent]) -> None:
        last = events[-1].kv.mod_revision
        if last <= self._seen:
            return
        changes = [
            change for event in events if event.kv.mod_revision > self._seen for change in self._ours(event)
        ]
        self._seen = last
        self._recent += changes
        self._recent_bytes += sum(map(_size, changes))
        if len(self._recent) > RECENT * 1.25 or self._recent_bytes > RECENT_BYTES * 1.25:
            self._trim()
        self.hub.publish(changes, last + self._origin.shift)
        self._release()

    def _release(self) -> None:
        newest = self.hub.newest
        while self._waiting and self._waiting[0][0] <= newest:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)

    def _trim(self) -> None:
        cut, size = 0, self._recent_bytes
        while cut < len(self._recent) and (len(self._recent) - cut > RECENT or size > RECENT_BYTES):
            size -= _size(self._recent[cut])
            cut += 1
        self._floor = self._recent[cut - 1].kv.mod_revision
        self._recent_bytes = size
        del self._recent[:cut]

    def _ours(self, event: RawEvent) -> list[Change]:
        prefix = self._origin.prefix
        if not event.kv.key.startswith(prefix + b"/"):
            return []
        prev = self._kv(event.prev) if event.prev else None
        if not event.deleted:
            return [Change(self._kv(event.kv), prev)]
        created = prev.create_revision if prev else 0
        key = event.kv.key[len(prefix) :].decode()
        return [Change(KV(key, b"", created, event.kv.mod_revision + self._origin.shift), prev, True)]

    def _kv(self, raw: RawKV) -> KV:
        return self._origin.kv(raw)

    # History, for the hub

    async def history(self, prefix: str, after: int, upto: int) -> tuple[list[Change], int]:
        """Some changes under `prefix` in (after, upto], and how far they go. Raises Compacted, StoreUnavailable."""
        if after < self.oldest:
            raise Compacted(self.oldest)
        if after < self._floor:
            return await self._past(prefix, after, min(upto, self._floor))
        i = bisect_right(self._recent, after, key=_revision)
        some = self._recent[i : i + SLICE]
        if some and some[-1].kv.mod_revision > upto:
            some = some[: bisect_right(some, upto, key=_revision)]
        last = some[-1].kv.mod_revision if len(some) == SLICE else upto
        if any(change.deleted and change.prev is None for change in some):
            raise Compacted(self.oldest)
        return [change for change in some if change.kv.key.startswith(prefix)], last

    async def _past(self, prefix: str, after: int, upto: int) -> tuple[list[Change], int]:
        """From etcd's history. Over all keys, since only then does an event tell that `upto` is reached."""
        shift = self._origin.shift
        changes: list[Change] = []
        async with self._client.watch(watch_request(*_ALL, after - shift + 1)) as stream:
            while True:
                answer = watch_answer(await stream.read())
                if answer.canceled:
                    if not answer.compact_revision:
                        raise StoreUnavailable(f"etcd ended the watch: {answer.reason or 'no reason given'}")
                    self.oldest = max(self.oldest, answer.compact_revision + shift)
                    raise Compacted(self.oldest)
                for event in answer.events:
                    if event.kv.mod_revision + shift > upto:
                        return changes, upto
                    changes += (one for one in self._ours(event) if one.kv.key.startswith(prefix))
                    if event.deleted and event.prev is None:
                        raise Compacted(self.oldest)
                if answer.events and not answer.fragment:
                    last = answer.events[-1].kv.mod_revision + shift
                    if last >= upto or len(changes) >= SLICE:
                        return changes, last


def _revision(change: Change) -> int:
    return change.kv.mod_revision


def _size(change: Change) -> int:
    return len(change.kv.value) + (len(change.prev.value) if change.prev else 0) + 400
