"""A store seen in another form: one version of a kind, where the store below keeps another.

    entries below ─► Form.shown ─► entries in this form, kept as long as they are current
    objects in this form ─► Form.stored ─► written below

It is a Store itself, so nobody above needs to know. An entry whose form is right already is the very entry from below.
Labels and selectable fields are those of the object in this form, which a conversion may have changed: so selections are
made here, and a watch remembers what it has selected to tell ADDED and DELETED from MODIFIED.

Invariants: what is kept is never older than what was asked for; entries that several readers want at once are converted
once, together. What `Form` raises (a webhook that does not answer) is the caller's error, and nothing is kept of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

import orjson

from apiserver.storage.encoding import encode, with_revision
from apiserver.storage.extract import Extract
from apiserver.storage.store import (
    Entry,
    ListResult,
    Obj,
    Piece,
    Predicate,
    StaleRevision,
    Store,
    StoreEvent,
)
from apiserver.storage.window import restamped

_SPARE = 1024
_KEPT_LISTS = 16  # of namespaces, and anybody may ask for any
Entries = Sequence[Entry]


class Form(Protocol):
    """Between what is stored and what is shown. Objects given may be used up; many are converted at once."""

    async def shown(self, objs: Sequence[Obj]) -> list[Obj]: ...

    async def stored(self, obj: Obj) -> Obj: ...


class View:
    def __init__(self, store: Store, form: Form, extract: Extract) -> None:
        self._store = store
        self._form = form
        self._extract = extract
        self._known: dict[str, tuple[Entry, Entry]] = {}  # key → (below, in this form)
        self._most = _SPARE
        self._one_at_a_time = asyncio.Lock()
        self._blobs: dict[str, tuple[int, bytes]] = {}
        self._is_replaced = False

    def replace(self) -> None:
        """Another view takes its place: open watches end with the next change."""
        self._is_replaced = True

    async def get(self, namespace: str, name: str, *, revision: int = 0) -> Entry | None:
        return await self._one(await self._store.get(namespace, name, revision=revision))

    async def list(
        self,
        namespace: str = "",
        *,
        predicate: Predicate | None = None,
        start_key: str = "",
        limit: int = 0,
        revision: int = 0,
        min_revision: int = 0,
    ) -> ListResult:
        found = await self._store.list(
            namespace,
            start_key=start_key,
            limit=0 if predicate is not None else limit,
            revision=revision,
            min_revision=min_revision,
        )
        entries = await self._shown(found.entries)
        if predicate is None:
            return replace(found, entries=entries)
        chosen = [entry for entry in entries if predicate(entry.labels, entry.fields)]
        more = chosen[limit].key if limit and len(chosen) > limit else ""
        return ListResult(chosen[:limit] if more else chosen, found.revision, more, None)

    def is_stale(self, entry: Entry) -> bool:
        return self._store.is_stale(entry)

    async def list_json(self, namespace: str = "") -> tuple[bytes, int]:
        found = await self._store.list(namespace)
        known = self._blobs.get(namespace)
        if known is not None and known[0] == found.revision:
            return known[1], known[0]
        blob = b",".join([entry.data for entry in await self._shown(found.entries)])
        self._blobs.pop(namespace, None)
        if len(self._blobs) >= _KEPT_LISTS:
            del self._blobs[next(iter(self._blobs))]
        self._blobs[namespace] = (found.revision, blob)
        return blob, found.revision

    def is_newest(self, blob: bytes, namespace: str = "") -> bool:
        return False

    async def list_pieces(self, namespace: str = "", *, newest: bool = True) -> tuple[Sequence[Piece], int]:
        blob, revision = await self.list_json(namespace)
        return [Piece(blob)] if blob else [], revision

    async def create(self, namespace: str, name: str, obj: Obj) -> Entry:
        try:
            return await self._shown_one(
                await self._store.create(namespace, name, await self._form.stored(obj))
            )
        except StaleRevision as stale:
            raise StaleRevision(await self._one(stale.current)) from None

    async def update(self, namespace: str, name: str, obj: Obj, expect_revision: int) -> Entry:
        stored = await self._form.stored(obj)
        try:
            return await self._shown_one(await self._store.update(namespace, name, stored, expect_revision))
        except StaleRevision as stale:
            raise StaleRevision(await self._one(stale.current)) from None

    async def delete(self, namespace: str, name: str, expect_revision: int) -> Entry:
        last = await self._one(await self._store.get(namespace, name))
        try:
            gone = await self._store.delete(namespace, name, expect_revision)
        except StaleRevision as stale:
            raise StaleRevision(await self._one(stale.current)) from None
        self._known.pop(gone.key, None)
        if last is not None and last.revision == expect_revision:
            return restamped(last, gone.revision)
        return await self._shown_one(gone)

    async def revision(self) -> int:
        return await self._store.revision()

    def objects(self) -> int:
        return self._store.objects()

    def watching(self, namespace: str) -> int:
        return self._store.watching(namespace)

    @asynccontextmanager
    async def watch(
        self,
        namespace: str = "",
        *,
        from_revision: int,
        predicate: Predicate | None = None,
        name: str = "",
        send_initial: bool = False,
        bookmarks: bool = False,
    ) -> AsyncIterator[AsyncIterator[Sequence[StoreEvent]]]:
        selected: dict[str, Entry] = {}
        if predicate is not None and not send_initial:
            there = await self.list(namespace, predicate=predicate, revision=from_revision)
            selected = {entry.key: entry for entry in there.entries}
        async with self._store.watch(
            namespace, from_revision=from_revision, name=name, send_initial=send_initial, bookmarks=bookmarks
        ) as batches:
            yield self._told(batches, predicate, selected)

    async def _told(
        self,
        batches: AsyncIterator[Sequence[StoreEvent]],
        predicate: Predicate | None,
        selected: dict[str, Entry],
    ) -> AsyncIterator[Sequence[StoreEvent]]:
        async for batch in batches:
            if self._is_replaced:
                return  # whoever watches comes back from where it was, and sees the rest in the new form
            shown = iter(await self._shown([event.entry for event in batch if event.entry is not None]))
            out: list[StoreEvent] = []
            for event in batch:
                if event.entry is None:
                    out.append(event)
                    continue
                told = _as_seen(event, next(shown), predicate, selected)
                if told is not None:
                    out.append(told)
            if out:
                yield out

    # Entries in this form

    async def _one(self, entry: Entry | None) -> Entry | None:
        return None if entry is None else await self._shown_one(entry)

    async def _shown_one(self, entry: Entry) -> Entry:
        return (await self._shown((entry,)))[0]

    async def _shown(self, entries: Entries) -> Entries:
        out = [self._kept(entry) for entry in entries]
        if None not in out:
            return [each for each in out if each is not None]
        async with self._one_at_a_time:
            # Another reader may have converted some of them while this one waited.
            out = [self._kept(entry) for entry in entries]
            below = [entry for entry, known in zip(entries, out, strict=True) if known is None]
            made = iter(await self._made(below))
            return [each if each is not None else next(made) for each in out]

    def _kept(self, entry: Entry) -> Entry | None:
        found = self._known.get(entry.key)
        if found is None or found[0].revision != entry.revision:
            return None
        # The same revision may be another write's, where the backend was restored.
        return found[1] if found[0] is entry or found[0].data == entry.data else None

    async def _made(self, entries: Entries) -> Entries:
        shown = await self._form.shown([orjson.loads(entry.data) for entry in entries])
        made = [self._entry(entry, obj) for entry, obj in zip(entries, shown, strict=True)]
        self._most = max(self._most, 2 * len(entries))
        for entry, each in zip(entries, made, strict=True):
            known = self._known.pop(entry.key, None)
            newer = known is not None and known[0].revision > entry.revision
            self._known[entry.key] = known if newer and known is not None else (entry, each)
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return made

    def _entry(self, below: Entry, obj: Obj) -> Entry:
        data = with_revision(encode(obj), below.revision)
        labels, fields = self._extract(obj)
        if data == below.data and labels == below.labels and fields == below.fields:
            return below
        return replace(below, data=data, labels=labels, fields=fields)


def _as_seen(
    event: StoreEvent, entry: Entry, predicate: Predicate | None, selected: dict[str, Entry]
) -> StoreEvent | None:
    """The event in this form, for a watcher that selects; None where it does not concern it."""
    if predicate is None:
        return event if entry is event.entry else StoreEvent(event.type, event.revision, entry)
    before = selected.pop(entry.key, None)
    if event.type != "DELETED" and predicate(entry.labels, entry.fields):
        selected[entry.key] = entry
        return StoreEvent("ADDED" if before is None else "MODIFIED", event.revision, entry)
    if before is None:
        return None
    return StoreEvent("DELETED", event.revision, restamped(before, event.revision))
