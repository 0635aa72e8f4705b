"""Keeps up with other API servers on the same store: what this one holds in memory beside its stores.

Stores follow the backend by themselves, and Services' numbers are taken in the store. One thing does not, because a
lone server hears of it from its own writes: which CustomResourceDefinitions are served. Here it follows the store
instead, in the order of the commits. A custom resource made on one server is served by another as soon as its watch
has told of it.
"""

from __future__ import annotations

import asyncio

from api.resource import Obj
from apiserver.backends.backend import StoreUnavailable
from apiserver.engine.crds import CustomResources
from apiserver.storage.follow import Follower
from apiserver.storage.store import Store
from client.logs import get_logger
from machinery.clock import Clock

log = get_logger("peers")

_RETRY_S = 1.0


class SharedDefinitions:
    """Hands every change of a definition to who serves them, one after the other."""

    def __init__(self, customs: CustomResources, clock: Clock) -> None:
        self._customs = customs
        self._clock = clock
        self._changes: asyncio.Queue[tuple[str, Obj | None]] = asyncio.Queue()

    def on_change(self, namespace: str, name: str, crd: Obj | None) -> None:
        self._changes.put_nowait((name, crd))

    async def run(self) -> None:
        while True:
            name, crd = await self._changes.get()
            while not await self._is_followed(name, crd):
                await self._clock.sleep(_RETRY_S)

    async def _is_followed(self, name: str, crd: Obj | None) -> bool:
        try:
            await self._customs.follow(name, crd)
        except StoreUnavailable as error:
            log.warning("a definition cannot be served yet", name=name, error=str(error))
            return False
        return True


async def follow_peers(definitions: Store, customs: CustomResources, clock: Clock) -> None:
    """Until cancelled."""
    shared = SharedDefinitions(customs, clock)
    async with asyncio.TaskGroup() as group:
        group.create_task(Follower(definitions, shared.on_change).run(), name="definitions of peers")
        group.create_task(shared.run(), name="serving definitions of peers")
