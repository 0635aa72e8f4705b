"""Runs reconcilers: caches, work queues, workers, retries.

        watch events → handlers → work queue (keys) → workers → reconcile(ctx, key)
                                       ↑ after an error, later and later; after a wish, then ┘

Comes in: a client, a clock, chance, and the list of reconcilers. `run()` goes on until cancelled and
owns every task it starts. A reconciler starts when its caches are filled, never earlier.

Invariants: a key is never reconciled twice at once, nor on a cache that lacks its own last writes;
an exception in one reconcile touches no other key.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from client.client import Client
from client.events import EventRecorder
from client.informer import Informer, InformerFactory
from client.logs import Logger, get_logger
from client.transport import TransportError
from controllers.framework.context import Context
from controllers.framework.expectations import Expectations, NotingClient
from controllers.framework.metrics import ReconcilerMetrics
from controllers.framework.reconciler import (
    CONTROLLER_INDEX,
    IsRelevant,
    Obj,
    Reconciler,
    controller_index,
    controller_keys,
)
from machinery.clock import Clock
from machinery.errors import ApiError, Conflict
from machinery.gvk import GVR, Key, key_of
from machinery.workqueue import WorkQueue

# A write that the caches do not show yet wakes its key when they do; this is for the case they never do.
_STALE_CHECK_S = 1.0

log = get_logger("controllers.runner")


class Runner:
    """`informers` may be shared with other users; then who made the factory runs it."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rng: random.Random,
        reconcilers: Sequence[Reconciler],
        *,
        informers: InformerFactory | None = None,
    ) -> None:
        self._clock = clock
        self._own_informers = informers is None
        self.informers = informers or InformerFactory(client, clock, rng)
        self._loops = [_Loop(each, client, clock, rng, self.informers) for each in reconcilers]
        names = [each.name for each in reconcilers]
        if len(set(names)) != len(names):
            raise ValueError(f"reconcilers must have different names: {names}")

    @property
    def metrics(self) -> Mapping[str, ReconcilerMetrics]:
        return {loop.name: loop.metrics for loop in self._loops}

    @property
    def queues(self) -> Mapping[str, WorkQueue[Key]]:
        return {loop.name: loop.queue for loop in self._loops}

    def has_synced(self) -> bool:
        return all(loop.has_synced() for loop in self._loops)

    def is_idle(self) -> bool:
        """No key in line and none being reconciled."""
        return all(loop.queue.is_idle for loop in self._loops)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            if self._own_informers:
                group.create_task(self.informers.run(), name="informers")
            for loop in self._loops:
                group.create_task(loop.run(), name=f"reconciler {loop.name}")


class _Loop:
    """One reconciler with its queue and workers."""

    def __init__(
        self,
        reconciler: Reconciler,
        client: Client,
        clock: Clock,
        rng: random.Random,
        factory: InformerFactory,
    ) -> None:
        self.name = reconciler.name
        self.metrics = ReconcilerMetrics()
        self.queue: WorkQueue[Key] = WorkQueue(clock, name=reconciler.name)
        self._reconciler = reconciler
        self._client = client
        self._clock = clock
        self._events = EventRecorder(client, clock, rng, reconciler.event_source)
        self._expectations = Expectations()
        self._informers: dict[GVR, Informer] = {
            gvr: factory.informer(gvr, field_selector=reconciler.fields.get(gvr, ""))
            for gvr in reconciler.resources()
        }
        self._rng = rng
        self._memory: dict[object, object] = {}
        self._log = get_logger(f"controllers.{reconciler.name}")
        self._connect()

    def has_synced(self) -> bool:
        return all(informer.has_synced() for informer in self._informers.values())

    def _connect(self) -> None:
        """Indexes and handlers: from here on events put keys into the queue."""
        wanted = self._reconciler
        self._handle(wanted.gvr, lambda obj: (key_of(obj),), wanted.relevant)
        for gvr in wanted.owns:
            self._informers[gvr].add_index(CONTROLLER_INDEX, controller_index)
            self._handle(gvr, lambda obj: controller_keys(wanted.gvr, obj), None)
        for index in wanted.indexes:
            self._informers[index.gvr].add_index(index.name, index.function)
        for watch in wanted.watches:
            ctx = self._context(self._client, self._log)
            self._handle(watch.gvr, partial(watch.map_to_keys, ctx), watch.relevant)

    def _handle(self, gvr: GVR, keys: Callable[[Obj], Iterable[Key]], relevant: IsRelevant | None) -> None:
        def on_one(obj: Obj) -> None:
            for key in keys(obj):
                self.queue.add(key)

        def on_update(old: Obj, new: Obj) -> None:
            if relevant is None or relevant(old, new):
                on_one(old)
                on_one(new)

        self._informers[gvr].add_handler(on_add=on_one, on_update=on_update, on_delete=on_one)

    def _context(self, client: Client, log: Logger) -> Context:
        return Context(
            self._reconciler,
            self._informers,
            client,
            self._clock,
            self._rng,
            self._events,
            log,
            self._memory,
        )

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run(), name=f"events of {self.name}")
            for informer in self._informers.values():
                await informer.wait_synced()
            for number in range(self._reconciler.workers):
                group.create_task(self._work(), name=f"{self.name} worker {number}")

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self._reconcile(key)
            finally:
                self.queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        started = self._clock.monotonic()
        if unseen := self._expectations.unseen(key, self._informers.get, started):
            self.metrics.observe("stale", 0.0)
            self._log.debug("the cache lacks own writes", key=str(key), missing=[str(w.key) for w in unseen])
            self.queue.add_after(key, _STALE_CHECK_S)
            return
        client = NotingClient(self._client)
        ctx = self._context(client, self._log.bind(key=str(key)))
        result, requeue_s = "success", None
        self.metrics.active += 1
        try:
            requeue_s = await self._reconciler.function(ctx, key)
            if requeue_s is not None:
                result = "requeue_after"
        except Conflict as error:  # somebody else was faster: expected, and mended by looking again
            result = "error"
            ctx.log.info("conflict, trying again", why=error.message)
        except (ApiError, TransportError) as error:
            result = "error"
            ctx.log.warning("reconcile failed, trying again", why=str(error), error=type(error).__name__)
        except Exception:
            result = "error"
            ctx.log.exception("reconcile failed, trying again", failures=self.queue.failures(key))
        finally:
            self.metrics.active -= 1
            self._expectations.note(key, client.writes, self._clock.monotonic())
        self.metrics.observe(result, self._clock.monotonic() - started)
        if result == "error":
            self.queue.add_rate_limited(key)
            return
        self.queue.forget(key)
        if requeue_s is not None:
            self.queue.add_after(key, requeue_s)
