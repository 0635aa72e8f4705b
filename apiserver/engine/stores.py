"""Opens the store of each resource and keeps it running; one per storage prefix.

Resources that share a prefix (core and events.k8s.io Events, the versions of a custom resource) share its store.
The store keeps objects in the form of the `base`; `View`s show them in the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from api.resource import Resource
from apiserver.background import Background
from apiserver.histogram import Histogram
from apiserver.storage.store import Store


class RunningStore(Store, Protocol):
    async def start(self) -> None: ...

    async def run(self) -> None: ...

    async def close(self) -> None: ...

    def watched(self) -> int: ...

    @property
    def background(self) -> Background: ...

    @property
    def times(self) -> Mapping[str, Histogram]: ...


MakeStore = Callable[[Resource], RunningStore]


class Stores:
    """Call `open` only while `run` runs: it owns every store's task."""

    def __init__(self, make: MakeStore) -> None:
        self._make = make
        self._open: dict[str, tuple[RunningStore, Resource, asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._ready = asyncio.Event()

    async def run(self) -> None:
        """Holds the stores' tasks until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._ready.set()
                await asyncio.Event().wait()
        finally:
            self._group = None
            for store, _, _ in self._open.values():
                await store.close()

    async def open(self, resource: Resource) -> tuple[Store, Resource]:
        """The store for `resource` and the resource in whose form it keeps objects. Raises StoreUnavailable."""
        known = self._open.get(resource.storage_prefix)
        if known is None:
            await self._ready.wait()
            store = self._make(resource)
            await store.start()
            assert self._group is not None, "stores are opened while `run` runs"
            task = self._group.create_task(store.run(), name=f"store {resource.storage_prefix}")
            known = self._open[resource.storage_prefix] = (store, resource, task)
        return known[0], known[1]

    def all(self) -> list[tuple[Resource, RunningStore]]:
        """Every open store with the resource in whose form it keeps objects."""
        return [(resource, store) for store, resource, _ in self._open.values()]

    async def open_all(self, resources: Iterable[Resource]) -> None:
        """Open the bases first, so that a converting resource never becomes one."""
        for resource in resources:
            if resource.from_storage is None and resource.storage_prefix:
                await self.open(resource)

    async def close(self, prefix: str) -> None:
        known = self._open.pop(prefix, None)
        if known is not None:
            await known[0].close()
            known[2].cancel()
