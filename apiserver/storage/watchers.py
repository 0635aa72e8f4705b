"""All open watches of one resource, found by what they can see, so that a change asks few of them."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.storage.store import StoreEvent
from apiserver.storage.watcher import Watcher
from apiserver.storage.window import CacheEvent

FIELDS = ("spec.nodeName",)  # selected exactly by one watcher for each node


class Watchers:
    def __init__(self) -> None:
        self._by_namespace: dict[str, list[Watcher]] = {}
        self._by_field: dict[tuple[str, str], list[Watcher]] = {}
        self._ended = False

    def __iter__(self) -> Iterator[Watcher]:
        for group in (*self._by_namespace.values(), *self._by_field.values()):
            yield from group

    def interested(self, namespace: str) -> int:
        """How many are told of every change there; who follows a single node's objects is not counted."""
        count = len(self._by_namespace.get("", ()))
        return count + len(self._by_namespace.get(namespace, ())) if namespace else count

    def count(self) -> int:
        return sum(map(len, self._by_namespace.values())) + sum(map(len, self._by_field.values()))

    def add(self, watcher: Watcher) -> None:
        self._place(watcher).append(watcher)
        if self._ended:
            watcher.end()  # nobody feeds it any more

    def remove(self, watcher: Watcher) -> None:
        """Also for one that was never added."""
        place = self._place(watcher)
        if watcher in place:
            place.remove(watcher)
        if not place:
            self._by_namespace = {key: group for key, group in self._by_namespace.items() if group}
            self._by_field = {key: group for key, group in self._by_field.items() if group}

    def offer(self, event: CacheEvent) -> None:
        if self._by_namespace:
            entry = event.after or event.before
            assert entry is not None
            for watcher in self._by_namespace.get("", ()):
                watcher.offer(event)
            if entry.namespace:
                for watcher in self._by_namespace.get(entry.namespace, ()):
                    watcher.offer(event)
        if self._by_field:
            for field in FIELDS:
                values = {side.fields.get(field): None for side in (event.before, event.after) if side}
                for value in values:
                    for watcher in self._by_field.get((field, value or ""), ()):
                        watcher.offer(event)

    def bookmark(self, revision: int) -> None:
        event = StoreEvent("BOOKMARK", revision, None)
        for watcher in self:
            if watcher.bookmarks and revision > watcher.revision:
                watcher.put(event)

    def cut(self, oldest: int) -> None:
        for watcher in self:
            watcher.cut(oldest)

    def end(self) -> None:
        self._ended = True
        for watcher in self:
            watcher.end()

    def _place(self, watcher: Watcher) -> list[Watcher]:
        exact = getattr(watcher.predicate, "exact_fields", None)
        if exact:
            for field in FIELDS:
                if field in exact:
                    return self._by_field.setdefault((field, exact[field]), [])
        return self._by_namespace.setdefault(watcher.namespace, [])
