"""Informers: one shared, always current cache per collection, and news of its changes.

`InformerFactory` gives one Informer per (resource, namespace, selectors), however many ask, and
`run()` keeps all of them current, also those asked for later. Handlers are plain callables, called
in order within the event loop; a handler added late is first told of everything already there.

Invariants: when a handler runs, the lister already shows what it is told; a handler sees add,
updates, delete of an object in that order; an update is told only if the resourceVersion changed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from client.client import Client, Obj
from client.indexer import Indexer, IndexFunction, Lister
from client.logs import get_logger
from client.reflector import Reflector
from machinery.clock import Clock
from machinery.gvk import GVR, Key, key_of

log = get_logger("client.informer")

Handler = Callable[[Obj], object]
UpdateHandler = Callable[[Obj, Obj], object]


class _Handlers(NamedTuple):
    on_add: Handler | None
    on_update: UpdateHandler | None
    on_delete: Handler | None


class Informer:
    """One collection. Made by InformerFactory."""

    def __init__(self, gvr: GVR, make_reflector: Callable[[Informer], Reflector]) -> None:
        self.gvr = gvr
        self._indexer = Indexer()
        self.lister = Lister(self._indexer)
        self._handlers: list[_Handlers] = []
        self._synced = asyncio.Event()
        self.reflector = make_reflector(self)

    def add_index(self, name: str, fn: IndexFunction) -> None:
        self._indexer.add_index(name, fn)

    def add_handler(
        self,
        *,
        on_add: Handler | None = None,
        on_update: UpdateHandler | None = None,
        on_delete: Handler | None = None,
    ) -> Callable[[], None]:
        """Returns a function that removes the handler again."""
        handlers = _Handlers(on_add, on_update, on_delete)
        self._handlers.append(handlers)
        for obj in self._indexer.list():
            self._call(on_add, obj)
        return lambda: self._handlers.remove(handlers) if handlers in self._handlers else None

    def has_synced(self) -> bool:
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    async def run(self) -> None:
        await self.reflector.run()

    # client.reflector.Sink

    def replaced(self, objects: dict[Key, Obj], resource_version: str) -> None:
        for key in self._indexer.missing_from(objects):
            self._remove(key, None)
        for key, obj in objects.items():
            self._put(key, obj)
        self._synced.set()

    def upserted(self, obj: Obj) -> None:
        self._put(key_of(obj), obj)

    def removed(self, obj: Obj) -> None:
        self._remove(key_of(obj), obj)

    def _put(self, key: Key, obj: Obj) -> None:
        old = self._indexer.get(key)
        if old is not None and old["metadata"].get("uid") != obj["metadata"].get("uid"):
            self._remove(key, None)  # deleted and made again while we looked away
            old = None
        self._indexer.put(key, obj)
        if old is None:
            for handlers in self._handlers:
                self._call(handlers.on_add, obj)
        elif old["metadata"].get("resourceVersion") != obj["metadata"].get("resourceVersion"):
            for handlers in self._handlers:
                self._call(handlers.on_update, old, obj)

    def _remove(self, key: Key, final: Obj | None) -> None:
        """`final` is the last state where the server told it; else the last one known is passed on."""
        old = self._indexer.remove(key)
        if old is None:
            return
        for handlers in self._handlers:
            self._call(handlers.on_delete, final or old)

    def _call(self, handler: Callable[..., object] | None, *args: Obj) -> None:
        if handler is None:
            return
        try:
            handler(*args)
        except Exception:  # one broken handler must not stop the cache of all the others
            log.exception("an informer's handler failed", gvr=str(self.gvr), key=str(key_of(args[-1])))


class InformerFactory:
    def __init__(self, client: Client, clock: Clock, rng: random.Random) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._informers: dict[tuple[Any, ...], Informer] = {}
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[tuple[Any, ...], asyncio.Task[None]] = {}

    def informer(
        self,
        gvr: GVR,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        *,
        metadata_only: bool = False,
    ) -> Informer:
        """The same arguments give the same informer. `metadata_only` caches PartialObjectMetadata."""
        key = (
            gvr.group,
            gvr.version,
            gvr.resource,
            namespace,
            label_selector,
            field_selector,
            metadata_only,
        )
        informer = self._informers.get(key)
        if informer is not None:
            return informer

        def make_reflector(sink: Informer) -> Reflector:
            return Reflector(
                self._client,
                gvr,
                sink,
                self._clock,
                self._rng,
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                metadata_only=metadata_only,
            )

        informer = self._informers[key] = Informer(gvr, make_reflector)
        if self._group is not None:
            self._start(key, informer)
        return informer

    def forget(self, informer: Informer) -> None:
        """Stops an informer whose resource is gone (its CustomResourceDefinition was deleted)."""
        for key, known in list(self._informers.items()):
            if known is informer:
                del self._informers[key]
                if (task := self._tasks.pop(key, None)) is not None:
                    task.cancel()

    def has_synced(self) -> bool:
        return all(informer.has_synced() for informer in self._informers.values())

    async def wait_synced(self) -> None:
        for informer in list(self._informers.values()):
            await informer.wait_synced()

    async def run(self) -> None:
        """Runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for key, informer in list(self._informers.items()):
                    self._start(key, informer)
                await asyncio.Event().wait()
            finally:
                self._group = None

    def _start(self, key: tuple[Any, ...], informer: Informer) -> None:
        assert self._group is not None
        self._tasks[key] = self._group.create_task(informer.run(), name=f"informer {informer.gvr}")
