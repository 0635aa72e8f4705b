"""Which revisions every key has: the whole revision log without its values, in memory.

A compare-and-swap is decided here, so its revision is known at once and in order, long before the
write is durable. Reads look up here which revision of a key held at some revision; the values lie
elsewhere, by revision. Costs about 16 bytes for each revision kept and 150 for each key.

Invariants:
* Revisions are contiguous above `compacted`: an appended write that failed is undone (newest first).
* `compacted` is the oldest readable revision. Below it each key keeps only what it was then.
* Everything happens on one thread; nothing here waits.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from apiserver.backends.backend import Compacted, FutureRevision
from machinery.sorted_keys import SortedKeys


class KeyRevisions:
    """One key's revisions, oldest first, each as revision * 2 + (1 if it deleted the key)."""

    __slots__ = ("create", "marks")

    def __init__(self) -> None:
        self.create = 0  # create revision of the newest generation
        self.marks = array("q")

    @property
    def live(self) -> int:
        """The newest revision, 0 where the key is deleted."""
        newest = self.marks[-1]
        return 0 if newest & 1 else newest >> 1

    def at(self, revision: int) -> int:
        """The revision that held at `revision`; 0 where there was none."""
        i = bisect_right(self.marks, revision * 2 + 1)
        if i == 0 or self.marks[i - 1] & 1:
            return 0
        return self.marks[i - 1] >> 1


class KeyIndex:
    def __init__(self, after: int = 0) -> None:
        self.head = after  # the newest revision, durable or not
        self.compacted = after
        self._keys: dict[str, KeyRevisions] = {}
        self._order = SortedKeys()
        self._log: deque[str] = deque()  # the keys of revisions _log_base + 1 ... head
        self._log_base = after  # everything up to here is purged

    def __len__(self) -> int:
        return len(self._keys)

    def newest(self, key: str) -> tuple[int, int]:
        """(mod revision, create revision) of the newest write, durable or not; (0, 0) where absent."""
        revisions = self._keys.get(key)
        if revisions is None or not (mod := revisions.live):
            return 0, 0
        return mod, revisions.create

    def append(self, key: str, *, deleted: bool) -> tuple[int, int, int]:
        """Gives the write the next revision. Returns (revision, create revision, what `undo` needs)."""
        revisions = self._keys.get(key)
        if revisions is None:
            revisions = self._keys[key] = KeyRevisions()
            self._order.add(key)
        before = revisions.create
        self.head = revision = self.head + 1
        if not revisions.marks or revisions.marks[-1] & 1:
            revisions.create = revision
        revisions.marks.append(revision * 2 + deleted)
        self._log.append(key)
        return revision, revisions.create, before

    def undo(self, key: str, create_before: int) -> None:
        """Takes back the newest append, which was to `key`."""
        revisions = self._keys[key]
        revisions.marks.pop()
        revisions.create = create_before
        if not revisions.marks:
            self._drop(key)
        self._log.pop()
        self.head -= 1

    def check(self, revision: int, newest: int) -> None:
        """Raises Compacted or FutureRevision where `revision` cannot be read; `newest` is the durable one."""
        if revision < self.compacted:
            raise Compacted(self.compacted)
        if revision > newest:
            raise FutureRevision(f"revision {revision} does not exist yet; the newest is {newest}")

    def at(self, key: str, revision: int) -> int:
        """The revision whose value stood under `key` as of `revision`; 0 for none."""
        revisions = self._keys.get(key)
        return revisions.at(revision) if revisions else 0

    def range(self, prefix: str, start: str, revision: int) -> Iterator[tuple[str, int]]:
        """(key, revision of its value) of every key under `prefix` from `start` on, as of `revision`."""
        order = self._order.in_order()
        for i in range(bisect_left(order, max(prefix, start)), len(order)):
            key = order[i]
            if not key.startswith(prefix):
                return
            if held := self._keys[key].at(revision):
                yield key, held

    def changes(
        self, prefix: str, after: int, upto: int, limit: int
    ) -> tuple[list[tuple[str, int, int, bool]], int]:
        """(key, revision, revision of the value before or 0, deleted) of the writes in (after, upto].

        Looks at no more than `limit` revisions; the second value is the last one looked at.
        """
        if after < self.compacted:
            raise Compacted(self.compacted)
        last = min(upto, after + limit)
        found = []
        keys = islice(self._log, after - self._log_base, last - self._log_base)
        for revision, key in enumerate(keys, after + 1):
            if key.startswith(prefix):
                marks = self._keys[key].marks
                i = bisect_left(marks, revision * 2)
                before = marks[i - 1] if i else 1
                found.append((key, revision, 0 if before & 1 else before >> 1, bool(marks[i] & 1)))
        return found, last

    def compact(self, revision: int) -> None:
        """From now on nothing older than `revision` is readable; `purge` then finds what to forget."""
        self.compacted = max(self.compacted, revision)

    def purge(self, limit: int) -> list[int]:
        """Revisions whose values nobody can read any more, looking at `limit` writes at most; [] when done."""
        dead: list[int] = []
        while self._log_base < self.compacted and limit > 0 and self._log:
            limit -= 1
            key = self._log.popleft()
            self._log_base += 1
            self._settle(key, self._log_base, dead)
        return dead

    @property
    def purging(self) -> bool:
        return self._log_base < self.compacted

    def load(self, rows: Iterable[tuple[int, str, int, int]], compacted: int) -> list[int]:
        """Takes over a stored log: (revision, key, create revision, 1 if deleted), oldest first.

        Returns what a purge that was cut short left behind. Raises ValueError where a revision is missing.
        """
        self.compacted = self.head = self._log_base = compacted
        keys, log, head = self._keys, self._log, compacted
        dead: list[int] = []
        for revision, key, create, deleted in rows:
            revisions = keys.get(key)
            if revisions is None:
                revisions = keys[key] = KeyRevisions()
            revisions.create = create
            revisions.marks.append(revision * 2 + deleted)
            if revision <= compacted:
                self._settle(key, revision, dead)
                continue
            if revision != head + 1:
                raise ValueError(f"revisions {head + 1} to {revision - 1} are missing")
            head = revision
            log.append(key)
        self.head = head
        self._order = SortedKeys(sorted(keys))
        return dead

    def _settle(self, key: str, revision: int, dead: list[int]) -> None:
        """`revision` of `key` became the oldest that can be read: what it replaced is dead, as is a tombstone."""
        revisions = self._keys[key]
        marks = revisions.marks
        while marks[0] >> 1 < revision:
            dead.append(marks.pop(0) >> 1)
        if marks[0] & 1:
            dead.append(marks.pop(0) >> 1)
            if not marks:
                self._drop(key)

    def _drop(self, key: str) -> None:
        del self._keys[key]
        self._order.discard(key)
