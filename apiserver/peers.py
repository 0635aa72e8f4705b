"""Keeps up with other API servers on the same store: what this one holds in memory beside its stores.

Stores follow the backend by themselves. Two things do not, because a lone server hears of them from its own writes:
which CustomResourceDefinitions are served, and which addresses and node ports Services hold. Here both follow the
stores instead, in the order of the commits.

A custom resource made on one server is served by another as soon as its watch has told of it. Two servers that hand out
numbers at the same instant pick them at random from thousands; they may still pick the same one, as neither asks the other.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random

from api.resource import Obj
from apiserver.auth.follow import Follower
from apiserver.engine.crds import CustomResources
from apiserver.engine.engine import Call
from apiserver.engine.services import ServiceNumbers, addresses_of, ports_of
from apiserver.storage.store import Store

Held = tuple[frozenset[str], frozenset[tuple[int, str]]]
_NOTHING: Held = (frozenset(), frozenset())


class SharedServiceNumbers(ServiceNumbers):
    """Reserves as a lone server's do; gives back only what the store says is free."""

    def __init__(self, network: ipaddress.IPv4Network | ipaddress.IPv6Network, rng: random.Random) -> None:
        super().__init__(network, rng)
        self._held: dict[tuple[str, str], Held] = {}

    async def after_write(self, call: Call, obj: Obj, old: Obj | None) -> None:
        """The watch tells."""

    async def after_delete(self, call: Call, obj: Obj) -> None:
        """The watch tells."""

    def on_change(self, namespace: str, name: str, service: Obj | None) -> None:
        key = (namespace, name)
        before = self._held.pop(key, _NOTHING)
        after = _NOTHING
        if service is not None:
            after = self._held[key] = (frozenset(addresses_of(service)), frozenset(ports_of(service)))
            self.load((service,))
        self.release(set(before[0] - after[0]), set(before[1] - after[1]))


class SharedDefinitions:
    """Hands every change of a definition to who serves them, one after the other."""

    def __init__(self, customs: CustomResources) -> None:
        self._customs = customs
        self._changes: asyncio.Queue[tuple[str, Obj | None]] = asyncio.Queue()

    def on_change(self, namespace: str, name: str, crd: Obj | None) -> None:
        self._changes.put_nowait((name, crd))

    async def run(self) -> None:
        while True:
            name, crd = await self._changes.get()
            await self._customs.follow(name, crd)


async def follow_peers(
    services: Store, numbers: SharedServiceNumbers, definitions: Store, customs: CustomResources
) -> None:
    """Until cancelled."""
    shared = SharedDefinitions(customs)
    async with asyncio.TaskGroup() as group:
        group.create_task(Follower(services, numbers.on_change).run(), name="services of peers")
        group.create_task(Follower(definitions, shared.on_change).run(), name="definitions of peers")
        group.create_task(shared.run(), name="serving definitions of peers")
