"""A small kind that admission asks about with every write (limits, classes, webhooks, policies), as dicts.

Decoded once for as long as nothing changes, and as new as the last write that was answered: the store's own
cached list says whether anything changed, so asking costs a dict look-up and nothing is followed or awaited.
The dicts are shared: never change one.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from api.resource import Obj
from apiserver.storage.store import Store


class Collection:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._blob = b""
        self._all: list[Obj] = []
        self._by_namespace: dict[str, list[Obj]] = {}
        self.generation = 0

    async def all(self) -> Sequence[Obj]:
        """Ordered by namespace and name."""
        if not self._store.is_newest(self._blob):
            await self._look()
        return self._all

    async def within(self, namespace: str) -> Sequence[Obj]:
        if not self._store.is_newest(self._blob):
            await self._look()
        return self._by_namespace.get(namespace, ())

    async def named(self, name: str) -> Obj | None:
        """Of a kind without namespaces."""
        return next((each for each in await self.all() if each["metadata"]["name"] == name), None)

    async def _look(self) -> None:
        blob, _ = await self._store.list_json()
        if blob is not self._blob:
            self._blob = blob
            self._all = orjson.loads(b"[" + blob + b"]")
            self._by_namespace = {}
            self.generation += 1
            for obj in self._all:
                self._by_namespace.setdefault(obj["metadata"].get("namespace", ""), []).append(obj)
