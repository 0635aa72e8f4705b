"""The newest changes of one resource, in memory: watches start in it, and the recent past is read from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from apiserver.storage.encoding import restamp
from apiserver.storage.store import Entry, Predicate, StoreEvent

SIZE_BYTES = 64 << 20  # of objects in one resource's events


class CacheEvent:
    """One change: the object before and after it. What watchers see of it is made once and shared."""

    __slots__ = ("_gone", "_there", "after", "before", "revision")

    def __init__(self, revision: int, before: Entry | None, after: Entry | None) -> None:
        self.revision = revision
        self.before = before
        self.after = after
        self._there: dict[str, StoreEvent] = {}
        self._gone: StoreEvent | None = None

    @property
    def entry(self) -> Entry:
        """What changed, as it is, or as it was last."""
        entry = self.after or self.before
        assert entry is not None
        return entry

    @property
    def key(self) -> str:
        return self.entry.key

    def seen_with(self, predicate: Predicate | None) -> StoreEvent | None:
        """The change as a watcher with this selection sees it; None where it does not concern it."""
        before, after = self.before, self.after
        had = before is not None and (predicate is None or predicate(before.labels, before.fields))
        if after is not None and (predicate is None or predicate(after.labels, after.fields)):
            return self._event("MODIFIED" if had else "ADDED", after)
        return self._deleted(before) if had and before is not None else None

    def _event(self, type_: Literal["ADDED", "MODIFIED"], entry: Entry) -> StoreEvent:
        event = self._there.get(type_)
        if event is None:
            event = self._there[type_] = StoreEvent(type_, self.revision, entry)
        return event

    def _deleted(self, before: Entry) -> StoreEvent:
        if self._gone is None:
            self._gone = StoreEvent("DELETED", self.revision, restamped(before, self.revision))
        return self._gone


def restamped(entry: Entry, revision: int) -> Entry:
    return replace(entry, revision=revision, data=restamp(entry.data, revision))


class Window:
    """A bounded run of events. Every change with a revision above `floor` is in it."""

    def __init__(self, size: int, floor: int, size_bytes: int = SIZE_BYTES) -> None:
        """At most `size` events, and of large objects fewer: about `size_bytes` of them, but always the newest one."""
        self.floor = floor
        self._size = size
        self._size_bytes = size_bytes
        self._bytes = 0
        self._events: deque[CacheEvent] = deque()

    def add(self, event: CacheEvent) -> None:
        events = self._events
        events.append(event)
        self._bytes += len(event.entry.data)
        while len(events) > self._size or (self._bytes > self._size_bytes and len(events) > 1):
            oldest = events.popleft()
            self.floor = oldest.revision
            self._bytes -= len(oldest.entry.data)

    def since(self, revision: int) -> list[CacheEvent]:
        """Events after `revision` (which is not below the floor), oldest first."""
        found = list(self._newest_first(revision))
        found.reverse()
        return found

    def undo(self, revision: int) -> dict[str, Entry | None]:
        """What stood under each key that changed after `revision`, as of that revision."""
        return {event.key: event.before for event in self._newest_first(revision)}

    def past(self, entries: Mapping[str, Entry], revision: int) -> dict[str, Entry]:
        """The state as of a revision not below the floor; `entries` is the newest."""
        found = dict(entries)
        for key, entry in self.undo(revision).items():
            if entry is None:
                found.pop(key, None)
            else:
                found[key] = entry
        return found

    def changed_since(self, revision: int) -> bool:
        return bool(self._events) and self._events[-1].revision > revision

    def _newest_first(self, revision: int) -> Iterator[CacheEvent]:
        for event in reversed(self._events):
            if event.revision <= revision:
                return
            yield event
