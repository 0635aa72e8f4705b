"""Follows a Store: tells of every object that is there, then of every change, for ever.

What the server decides by (roles, bindings, pods of a node, API services, flow schemas) is kept current by a Follower each.
Changes come within the loop's next turn after the write, long before its caller could send another request: each Follower
selects by a predicate of its own, and so is an audience of its own, which waits for nobody's round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import orjson

from apiserver.backends.backend import Compacted, StoreUnavailable
from apiserver.storage.store import Entry, Obj, Store

# (namespace, name, the object or None where it is gone)
OnChange = Callable[[str, str, Obj | None], None]
_RETRY_S = 0.2


class Follower:
    """`on_change` is a plain function; the object is its own. What `skips` says of an entry is as if it were not there,
    and costs no decoding."""

    def __init__(
        self, store: Store, on_change: OnChange, skips: Callable[[Entry], bool] | None = None
    ) -> None:
        self._store = store
        self._skips = skips
        self._on_change = on_change
        self._known: set[tuple[str, str]] = set()
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled, or the store is closed. A watch that was cut off is begun anew."""
        while True:
            try:
                await self._follow()
                return
            except Compacted:
                continue
            except StoreUnavailable:
                await asyncio.sleep(_RETRY_S)

    async def _follow(self) -> None:
        listed: dict[tuple[str, str], None] | None = {}
        async with self._store.watch(
            from_revision=0, send_initial=True, predicate=self._is_followed
        ) as stream:
            async for batch in stream:
                for event in batch:
                    entry = event.entry
                    if entry is None:
                        if event.initial_end and listed is not None:
                            for gone in sorted(self._known - listed.keys()):
                                self._known.discard(gone)
                                self._on_change(*gone, None)
                            listed = None
                            self.synced.set()
                        continue
                    key = (entry.namespace, entry.name)
                    if event.type == "DELETED":
                        self._known.discard(key)
                        self._on_change(*key, None)
                        continue
                    if self._skips is not None and self._skips(entry):
                        if listed is None and key in self._known:
                            self._known.discard(key)
                            self._on_change(*key, None)
                        continue
                    if listed is not None:
                        listed[key] = None
                    self._known.add(key)
                    self._on_change(*key, orjson.loads(entry.data))

    def _is_followed(self, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
        return True
