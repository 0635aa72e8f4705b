"""Node ports: taken by comparing and swapping one stored bitmap, so that several API servers never give one twice.

A number belongs to one Service, whatever its protocols. Fresh ones come from the upper part of the range while it has
any (KEP-3668 "Reserve nodeport ranges for dynamic and static allocation").
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import orjson

from api.resource import Obj
from apiserver.engine.bitmap import Bitmap
from apiserver.storage.store import StaleRevision, Store

NAME = "servicenodeports"
T = TypeVar("T")


class PortTaken(Exception):
    """A chosen port cannot be had; the message says why."""

    def __init__(self, port: int, why: str) -> None:
        super().__init__(why)
        self.port = port


class RangeFull(Exception):
    """There is no free port."""


class Ports:
    """low..high. `attach` gives the store of RangeAllocations before anything is asked for."""

    def __init__(self, low: int, high: int, rng: random.Random) -> None:
        self.low, self.high = low, high
        self._rng = rng
        self._store: Store | None = None
        self._turn = asyncio.Lock()  # this server's own writers need not race each other

    def attach(self, store: Store) -> None:
        self._store = store

    @property
    def size(self) -> int:
        return self.high - self.low + 1

    @property
    def band(self) -> int:
        return min(max(16, self.size // 32), 128) if self.size > 16 else 0

    async def take(self, chosen: Sequence[int], fresh: int, *, keep: bool = True) -> list[int]:
        """All of `chosen` and `fresh` others, or none; returns the others. Raises PortTaken, RangeFull."""

        def change(taken: Bitmap) -> list[int]:
            for port in chosen:
                if not self.low <= port <= self.high:
                    why = f"provided port is not in the valid range. The range of valid ports is {self.low}-{self.high}"
                    raise PortTaken(port, why)
                if not taken.take(port - self.low):
                    raise PortTaken(port, "provided port is already allocated")
            return [self._fresh(taken) for _ in range(fresh)]

        return await self._change(change, keep)

    def _fresh(self, taken: Bitmap) -> int:
        number = taken.take_any(self._rng, self.band, self.size)
        if number is None:
            number = taken.take_any(self._rng, 0, self.band)
        if number is None:
            raise RangeFull
        return self.low + number

    async def give_back(self, ports: Iterable[int]) -> None:
        gone = [port - self.low for port in ports if self.low <= port <= self.high]
        if not gone:
            return

        def change(taken: Bitmap) -> None:
            for number in gone:
                taken.give_back(number)

        await self._change(change, True)

    async def claim(self, ports: Iterable[int]) -> None:
        """Note as taken what is in use already."""
        held = [port - self.low for port in ports if self.low <= port <= self.high]

        def change(taken: Bitmap) -> None:
            for number in held:
                taken.take(number)

        await self._change(change, True)

    async def taken(self) -> list[int]:
        bitmap = await self._change(lambda found: found, False)
        return [self.low + number for number in range(self.size) if bitmap.has(number)]

    async def _change(self, change: Callable[[Bitmap], T], keep: bool) -> T:
        """`change` is made again on every lost race; what it raises leaves everything as it was."""
        store = self._store
        assert store is not None, "attached before the first Service"
        async with self._turn:
            entry = await store.get("", NAME)
            while True:
                standing: Obj = orjson.loads(entry.data) if entry is not None else _new()
                whole = f"{self.low}-{self.high}"
                data = base64.b64decode(standing.get("data", ""))
                # Another range than it was made for: the repair claims what is in use.
                bitmap = Bitmap.of(self.size, data if standing.get("range") == whole else b"")
                before = bitmap.data
                result = change(bitmap)
                if not keep or (entry is not None and bitmap.data == before == data):
                    return result
                made = {**standing, "range": whole, "data": base64.b64encode(bitmap.data).decode()}
                try:
                    if entry is None:
                        await store.create("", NAME, made)
                    else:
                        await store.update("", NAME, made, entry.revision)
                    return result
                except StaleRevision as stale:
                    entry = stale.current


def _new() -> Obj:
    return {"kind": "RangeAllocation", "apiVersion": "v1", "metadata": {"name": NAME}}
