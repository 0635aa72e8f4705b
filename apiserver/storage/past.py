"""What lies further back than memory: lists and watches from the backend's history."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

from apiserver.backends.backend import KV, Backend, Change
from apiserver.storage.store import Entry, ListResult, Predicate, StoreEvent
from apiserver.storage.watcher import Watcher
from apiserver.storage.window import CacheEvent

_PAGE = 500
Events = list[StoreEvent]  # `list` inside the class is a method


class Past:
    """`decode` makes an entry of a stored value, after `prepare` was awaited for it."""

    def __init__(
        self,
        backend: Backend,
        prepare: Callable[[Iterable[KV]], Awaitable[None]],
        decode: Callable[[KV], Entry],
    ) -> None:
        self._backend = backend
        self._prepare = prepare
        self._decode = decode

    async def list(
        self, prefix: str, predicate: Predicate | None, start_key: str, limit: int, revision: int
    ) -> ListResult:
        """The state as of `revision`. Raises Compacted."""
        found: list[Entry] = []
        while True:
            page = await self._backend.range(prefix, start=start_key, limit=_PAGE, revision=revision)
            await self._prepare(page.kvs)
            for kv in page.kvs:
                entry = self._decode(kv)
                if predicate is not None and not predicate(entry.labels, entry.fields):
                    continue
                if limit and len(found) == limit:
                    return ListResult(found, revision, entry.key, None)
                found.append(entry)
            if not page.more:
                return ListResult(found, revision, "", None)
            start_key = page.kvs[-1].key + "\0"

    async def replay(
        self, prefix: str, watcher: Watcher, after: int, upto: int
    ) -> AsyncGenerator[Events, None]:
        """What the watcher would have seen in (after, upto]. Raises Compacted."""
        seen: Events = []
        changes: Sequence[Change]
        async with self._backend.watch(prefix, after) as stream:
            while after < upto:
                if seen:
                    yield seen
                    seen = []
                try:
                    changes = await anext(stream)
                except StopAsyncIteration:
                    return
                await self._prepare([kv for change in changes for kv in (change.kv, change.prev) if kv])
                for change in changes:
                    after = change.kv.mod_revision
                    if after > upto:
                        break
                    event = CacheEvent(
                        after,
                        self._decode(change.prev) if change.prev else None,
                        None if change.deleted else self._decode(change.kv),
                    )
                    entry = event.after or event.before
                    if entry is None or not watcher.concerns(entry):
                        continue
                    if (one := event.seen_with(watcher.predicate)) is not None:
                        seen.append(one)
                after = max(after, stream.progress)
                changes = ()
        # With the backend's watch closed: who has what it needs would be fed what it never reads.
        if seen:
            yield seen
