"""The backend for several API servers: an etcd cluster, version 3.4 or newer.

    write ──► etcd: compare mod revision, put ──► answer ──► wait until the feed has it ──► caller
                     │
                     └──► the one watch (etcd_feed.py) ──► hub ──► watches

Every read, also of the newest revision, is linearizable. A write returns once this server's watches have it, so who
wrote reads its write from any cache that follows. Others write too (`shared`): a cache that wants to be as new as the
store asks for `revision()`, which returns when the feed is there, and many who ask at once share one question.

Failure: reads are tried again until etcd is back or patience ends (StoreUnavailable). A write is tried again only while
it has surely not been sent; OutcomeUnknown says that it is not known whether it was made.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence

from apiserver.backends.backend import (
    KV,
    Compacted,
    FutureRevision,
    OutcomeUnknown,
    RangeResult,
    StoreFailed,
    StoreFigures,
    StoreUnavailable,
    TxnResult,
)
from apiserver.backends.etcd_client import (
    COMPACT,
    PATIENCE_S,
    RANGE,
    TXN,
    CompactedAway,
    EtcdClient,
    EtcdFull,
    EtcdTls,
)
from apiserver.backends.etcd_feed import EtcdFeed
from apiserver.backends.etcd_messages import (
    compaction_request,
    delete_txn,
    prefix_end,
    put_txn,
    range_answer,
    range_request,
    revision_of,
    txn_answer,
)
from apiserver.backends.etcd_origin import Origin, marker_key, open_origin
from apiserver.backends.etcd_turns import Turns
from apiserver.backends.etcd_upkeep import Upkeep
from apiserver.backends.hub import Subscription
from apiserver.backends.retention import HistoryAge, Retention
from apiserver.background import Background
from client.logs import get_logger
from machinery.clock import Clock

PAGE = 1000  # keys asked for at once
HOUSEKEEPING_S = 60.0
ROOM_EVERY_S = 10.0  # at most, while etcd is full
COMPACTION_S = 120.0

log = get_logger("etcd")


class EtcdBackend:
    """`servers` as `parse_server` reads them. `prefix` goes before every key; one prefix is one cluster. `defragment`:
    whether etcd's file is made smaller when much of it is free, and its alarm lifted when it was full (`etcd_upkeep.py`)."""

    shared = True

    def __init__(
        self,
        servers: Sequence[str],
        clock: Clock,
        rng: random.Random,
        *,
        prefix: str = "",
        tls: EtcdTls | None = None,
        retention: Retention | None = None,
        patience_s: float = PATIENCE_S,
        defragment: bool = False,
    ) -> None:
        self._prefix = prefix.rstrip("/")
        self._clock = clock
        self._rng = rng
        self._client = EtcdClient(servers, clock, tls, patience_s)
        self._patience_s = patience_s
        self._retention = retention or Retention()
        self._age = HistoryAge(self._retention)
        self._feed = EtcdFeed(self._client, clock)
        self._turns = Turns(self._client, self._prefix, self._age)
        self._upkeep = Upkeep(self._client, clock, defragment=defragment)
        self._full = asyncio.Event()  # a write was refused for want of space
        self._told_full = False
        self._made_room = -ROOM_EVERY_S
        self._origin = Origin(b"", 0, 0)
        self._asking: list[asyncio.Future[int]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.background: Background | None = Background(clock, rng)
        self._closed = True

    async def start(self) -> None:
        """Raises StoreUnavailable: etcd is not there, refuses us, or holds something else under the prefix."""
        await self._client.start()
        try:
            self._origin = await open_origin(self._client, self._prefix)
            await self._feed.start(self._origin)
            with contextlib.suppress(StoreUnavailable):
                await self._upkeep.look()
        except BaseException:
            await self._client.close()
            raise
        self._closed = False
        self._questions = asyncio.Event()
        self._failure: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        for work in (self._feed.run, self._ask):
            task = asyncio.create_task(work(), name=f"etcd {work.__name__}")
            task.add_done_callback(self._on_ended)
            self._tasks.append(task)
        assert self.background is not None
        upkeep = self.background.keep("upkeep of etcd", self._keep_house)
        self._tasks.append(asyncio.create_task(upkeep, name="upkeep of etcd"))
        if self._upkeep.is_full:  # else whoever starts and must write ends, and nothing is ever mended
            with contextlib.suppress(StoreUnavailable):
                await self._make_room()

    async def close(self) -> None:
        """May be called twice, and without start."""
        self._closed = True
        self._feed.close()
        self._refuse(StoreUnavailable("the store is closed"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()

    async def revision(self) -> int:
        self._check_open()
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asking.append(future)
        self._questions.set()
        newest = await future
        await self._settled(newest)
        return newest

    async def oldest_revision(self) -> int:
        """etcd tells only whether a revision is compacted: looked for by halves, unless what we know still holds."""
        low, high = self._feed.oldest, await self.revision()
        if low >= high or not await self._is_compacted(low):
            return self._feed.oldest
        while low + 1 < high:  # low is compacted, high is not
            middle = (low + high) // 2
            if await self._is_compacted(middle):
                low = middle
            else:
                high = middle
        self._feed.oldest = max(self._feed.oldest, high)
        return self._feed.oldest

    async def get(self, key: str, *, revision: int = 0) -> KV | None:
        request = range_request(self._origin.key(key), revision=self._asked(revision))
        answer = range_answer(await self._read(request))
        return self._origin.kv(answer.kvs[0]) if answer.kvs else None

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> RangeResult:
        end = prefix_end(self._origin.key(prefix))
        at = self._origin.key(max(prefix, start))
        asked = self._asked(revision)
        kvs: list[KV] = []
        while True:
            page = min(limit - len(kvs), PAGE) if limit else PAGE
            answer = range_answer(await self._read(range_request(at, end, limit=page, revision=asked)))
            asked = asked or answer.revision
            kvs += map(self._origin.kv, answer.kvs)
            if not answer.more or (limit and len(kvs) >= limit):
                return RangeResult(kvs, asked + self._origin.shift, answer.more)
            at = answer.kvs[-1].key + b"\0"

    async def put(self, key: str, value: bytes, *, expect: int | None = None) -> TxnResult:
        self._check_open()
        request = put_txn(self._origin.key(key), value, self._origin.expected(expect))
        answer = txn_answer(await self._write(request))
        revision = answer.revision + self._origin.shift
        there = self._origin.kv(answer.kvs[0]) if answer.kvs else None
        if not answer.succeeded:
            return TxnResult(False, revision, there)
        assert there is not None
        await self._settled(revision, written=True)
        return TxnResult(True, revision, KV(key, value, there.create_revision, revision))

    async def delete(self, key: str, *, expect: int | None = None) -> TxnResult:
        self._check_open()
        request = delete_txn(self._origin.key(key), self._origin.expected(expect))
        answer = txn_answer(await self._write(request))
        revision = answer.revision + self._origin.shift
        there = self._origin.kv(answer.kvs[0]) if answer.kvs else None
        if not answer.succeeded or not answer.deleted:
            return TxnResult(False, revision, there)
        await self._settled(revision, written=True)
        return TxnResult(True, revision, there)

    def watch(self, prefix: str, from_revision: int) -> Subscription:
        return Subscription(self._feed.hub, prefix, from_revision, self._check_watch)

    async def failed(self) -> None:
        failure = await asyncio.shield(self._failure)
        raise StoreFailed(f"the etcd backend failed: {failure!r}") from failure

    async def look(self) -> None:
        """Brings `figures` up to date. Raises StoreUnavailable."""
        await self._upkeep.look()

    def figures(self) -> StoreFigures:
        return self._upkeep.figures()

    async def compact(self, revision: int) -> None:
        if revision <= self._feed.oldest:
            return
        try:
            await self._client.call(COMPACT, compaction_request(revision - self._origin.shift))
        except CompactedAway:
            return  # another API server was faster
        self._feed.oldest = max(self._feed.oldest, revision)

    # What happens by itself

    async def _ask(self) -> None:
        """Asks etcd for its revision, once for all who came before the question was put."""
        request = range_request(marker_key(self._prefix), count_only=True)
        while True:
            await self._questions.wait()
            self._questions.clear()
            asking, self._asking = self._asking, []
            try:
                newest = revision_of(await self._client.call(RANGE, request)) + self._origin.shift
            except StoreUnavailable as error:
                self._asking += asking
                self._refuse(error)
                continue
            for future in asking:
                if not future.done():
                    future.set_result(newest)

    def _refuse(self, error: StoreUnavailable) -> None:
        asking, self._asking = self._asking, []
        for future in asking:
            if not future.done():
                future.set_exception(error)

    async def _keep_house(self) -> None:
        """Forgets old history now and then, one of the API servers for all; sooner when etcd has no room left."""
        while True:
            await self._pause(HOUSEKEEPING_S * (0.5 + self._rng.random()))
            with contextlib.suppress(StoreUnavailable, FutureRevision):
                await self._upkeep.look()
                if self._upkeep.is_full:
                    await self._make_room()
                else:
                    self._told_full = False
                    await self._forget(self._clock.now())

    async def _pause(self, longest_s: float) -> None:
        """Ends early when a write was refused for want of space, but not at the same moment in every API server."""
        waits = [
            asyncio.create_task(self._clock.sleep(longest_s)),
            asyncio.create_task(self._full.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._full.is_set():
            since_s = self._clock.monotonic() - self._made_room
            await self._clock.sleep(max(self._rng.random(), ROOM_EVERY_S - since_s))
            self._full.clear()

    async def _forget(self, now: float) -> None:
        newest = self._feed.hub.newest
        if not await self._turns.take(now, newest):
            return
        used = self._upkeep.figures().used_bytes
        target = self._age.plan_compaction(now, newest, await self.oldest_revision(), used)
        if target:
            await self.compact(target)
        await self._upkeep.defragment_one()

    async def _make_room(self) -> None:
        """etcd is full: no history is worth that. Nobody can take a turn, since that is a write."""
        target = await self.revision() - self._retention.min_revisions
        compacted = target > await self.oldest_revision()
        if compacted:
            with contextlib.suppress(CompactedAway):
                request = compaction_request(target - self._origin.shift, physical=True)
                await self._client.call_member(self._client.current, COMPACT, request, COMPACTION_S)
            self._feed.oldest = max(self._feed.oldest, target)
        self._made_room = self._clock.monotonic()
        if not await self._upkeep.make_room(compacted=compacted):
            log.error(
                "etcd is full and takes no writes; what can be done here has been done: its history is compacted. "
                "Run `etcdctl defrag` and `etcdctl alarm disarm`, or give it a greater quota",
                etcd=self._client.name,
            )
        elif not self._upkeep.is_full:
            log.info("etcd's alarm of no space is lifted, it takes writes again", etcd=self._client.name)

    async def _write(self, request: bytes) -> bytes:
        try:
            return await self._client.call(TXN, request, safe=False)
        except EtcdFull as error:
            if not self._told_full:
                self._told_full = True
                log.error("a write was refused", error=str(error))
            self._full.set()
            raise

    def _on_ended(self, task: asyncio.Task[None]) -> None:
        """One of the tasks failed, which is a mistake of ours: nobody may wait for what it would have done."""
        if not task.cancelled() and task.exception() is not None:
            self._closed = True
            self._feed.close()
            self._refuse(StoreUnavailable(f"the etcd backend failed: {task.exception()!r}"))
            if not self._failure.done():
                self._failure.set_result(task.exception())

    # Revisions

    def _asked(self, revision: int) -> int:
        """A revision to read at, in etcd's numbers; 0 stays the newest."""
        if not revision:
            return 0
        if revision < self._feed.oldest:
            raise Compacted(self._feed.oldest)
        return max(1, revision - self._origin.shift)

    async def _read(self, request: bytes) -> bytes:
        self._check_open()
        try:
            return await self._client.call(RANGE, request)
        except CompactedAway:
            raise Compacted(await self.oldest_revision()) from None

    async def _is_compacted(self, revision: int) -> bool:
        there = max(1, revision - self._origin.shift)
        request = range_request(marker_key(self._prefix), revision=there, count_only=True)
        try:
            await self._client.call(RANGE, request)
        except CompactedAway:
            return True
        return False

    async def _settled(self, revision: int, *, written: bool = False) -> None:
        """Until our watches have `revision`."""
        if self._feed.hub.newest >= revision:
            return
        try:
            async with asyncio.timeout(self._patience_s):
                await self._feed.reached(revision)
        except TimeoutError:
            what = "was made, but it" if written else ""
            raise (OutcomeUnknown if written else StoreUnavailable)(
                f"revision {revision} {what} has not come back from etcd at {self._client.name} "
                f"in {self._patience_s:g} s"
            ) from None

    def _check_watch(self, from_revision: int) -> None:
        self._check_open()
        if from_revision < self._feed.oldest:
            raise Compacted(self._feed.oldest)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
