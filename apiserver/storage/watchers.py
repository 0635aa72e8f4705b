"""All open watches of one resource, as audiences found by what they can see, so that a change asks few of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

from apiserver.storage.audience import Audience, Logs
from apiserver.storage.store import StoreEvent
from apiserver.storage.watcher import Watcher
from apiserver.storage.window import CacheEvent
from machinery.clock import Clock

FIELDS = ("spec.nodeName",)  # selected exactly by one watcher for each node
Group = dict[Hashable, Audience]


class Watchers:
    def __init__(self, limit: int, clock: Clock) -> None:
        """`limit`: how many events a watcher may be behind."""
        self._limit = limit
        self._clock = clock
        self._by_namespace: dict[str, Group] = {}
        self._by_field: dict[tuple[str, str], Group] = {}
        self._logs = Logs(self)
        self._ended = False

    def __iter__(self) -> Iterator[Audience]:
        for group in (*self._by_namespace.values(), *self._by_field.values()):
            yield from group.values()

    def interested(self, namespace: str) -> int:
        """How many are told of every change there; who follows a single node's objects is not counted."""
        count = _members(self._by_namespace.get("", {}))
        return count + _members(self._by_namespace.get(namespace, {})) if namespace else count

    def count(self) -> int:
        return sum(map(len, self))

    def add(self, watcher: Watcher) -> None:
        groups, place, key = self._place(watcher)
        group = groups.setdefault(place, {})
        audience = group.get(key)
        if audience is None:
            audience = group[key] = Audience(
                watcher.namespace,
                watcher.name,
                watcher.predicate,
                watcher.bookmarks,
                self._limit,
                self._clock,
                self._logs,
            )
        audience.join(watcher)
        watcher.audience = audience
        if self._ended:
            watcher.end()  # nobody feeds it any more

    def remove(self, watcher: Watcher) -> None:
        """Also for one that was never added."""
        if watcher.audience is None:
            return
        watcher.audience.leave(watcher)
        if watcher.audience:
            return
        groups, place, key = self._place(watcher)
        group = groups.get(place, _NONE)
        if group.get(key) is watcher.audience:
            del group[key]
            if not group:
                del groups[place]

    def offer(self, event: CacheEvent) -> None:
        if self._by_namespace:
            entry = event.entry
            for audience in self._by_namespace.get("", _NONE).values():
                audience.offer(event)
            if entry.namespace:
                for audience in self._by_namespace.get(entry.namespace, _NONE).values():
                    audience.offer(event)
        if self._by_field:
            for field in FIELDS:
                values = {side.fields.get(field): None for side in (event.before, event.after) if side}
                for value in values:
                    for audience in self._by_field.get((field, value or ""), _NONE).values():
                        audience.offer(event)

    def bookmark(self, revision: int) -> None:
        event = StoreEvent("BOOKMARK", revision, None)
        for audience in self:
            if audience.bookmarks:
                audience.put(event)

    def cut(self, oldest: int) -> None:
        for audience in list(self):
            audience.cut(oldest)

    def end(self) -> None:
        self._ended = True
        for audience in self:
            audience.end()

    def _place(self, watcher: Watcher) -> tuple[dict[Any, Group], Hashable, Hashable]:
        """The groups it is among, which of them is its own, and what its audience has in common there."""
        exact = getattr(watcher.predicate, "exact_fields", None)
        if exact:
            for field in FIELDS:
                if field in exact:
                    key = (watcher.namespace, watcher.name, watcher.predicate, watcher.bookmarks)
                    return self._by_field, (field, exact[field]), key
        return self._by_namespace, watcher.namespace, (watcher.name, watcher.predicate, watcher.bookmarks)


_NONE: Group = {}


def _members(group: Group) -> int:
    return sum(map(len, group.values()))
