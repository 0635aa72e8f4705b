"""Keeps the day on which a token that lives in a Secret was last used, in the label
`kubernetes.io/legacy-token-last-used` of that Secret: what an administrator looks at before removing it.

Noted at most once a day for each Secret, and never while a request waits. A write that loses a race, or
finds the store gone, is left to the next use.
Source: Kubernetes "Managing Service Accounts", legacy tokens.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import orjson

from apiserver.backends.backend import StoreUnavailable
from apiserver.storage.store import Entry, StaleRevision, Store
from machinery.clock import Clock, rfc3339

LABEL = "kubernetes.io/legacy-token-last-used"
_WAITING = 1000


class LegacyTokenUse:
    def __init__(self, secrets: Store, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock
        self._used: asyncio.Queue[Entry] = asyncio.Queue(_WAITING)

    def note(self, entry: Entry) -> None:
        """`entry` is the Secret whose token was shown."""
        if entry.labels.get(LABEL) != self._today() and not self._used.full():
            self._used.put_nowait(entry)

    async def run(self) -> None:
        while True:
            entry = await self._used.get()
            with suppress(StaleRevision, StoreUnavailable):
                await self._mark(entry.namespace, entry.name)

    async def _mark(self, namespace: str, name: str) -> None:
        today = self._today()
        there = await self._secrets.get(namespace, name)
        if there is None or there.labels.get(LABEL) == today:
            return
        obj = orjson.loads(there.data)
        labels = obj["metadata"].get("labels") or {}
        obj["metadata"]["labels"] = {**labels, LABEL: today}
        await self._secrets.update(namespace, name, obj, there.revision)

    def _today(self) -> str:
        return rfc3339(self._clock.now())[:10]
