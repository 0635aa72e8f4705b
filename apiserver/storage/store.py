"""One resource's objects: reads from memory, writes through the backend. The engine sees only this.

Shapes shared by the engine and the cache. See `cacher.py` for how it is done.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from machinery.value import value

Obj = dict[str, Any]
# (labels, selectable fields) → does the object belong to the answer? None selects everything. Watches whose predicates are
# equal are served as one audience.
# A predicate that asks for exact field values may say so in an attribute `exact_fields` (a mapping of field to
# value, e.g. spec.nodeName): a watch with it is then asked only about objects that have or had that value.
Predicate = Callable[[Mapping[str, str], Mapping[str, str]], bool]


@value
class Entry:
    """A stored object: its bytes once encoded, with what selection needs beside them. Decode to get a fresh dict."""

    key: str
    namespace: str
    name: str
    revision: int
    data: bytes  # the object's JSON, metadata.resourceVersion included
    labels: Mapping[str, str]
    fields: Mapping[str, str]
    sealed_by: bytes = b""  # which key it is encrypted with at rest, as its cipher names it; b"" is none


@value
class StoreEvent:
    """ADDED/MODIFIED/DELETED as the selecting watcher sees it: an object that leaves the selection is DELETED.

    For DELETED, `entry.data` is the last state with the resourceVersion of the deletion. BOOKMARK carries only
    a revision (entry None); `initial_end` marks the bookmark after sendInitialEvents.

    Every watcher that sees the same change the same way gets the same StoreEvent: what is rendered from it
    (a JSON line, a Table row) may be kept in `renderings`, under a name of the renderer's choice, and reused.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    revision: int
    entry: Entry | None
    initial_end: bool = False
    renderings: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)


class Batch(list[StoreEvent]):
    """Events in order. Every watcher that gets the same ones at once gets the same Batch: what is rendered of all of them may
    be kept in `renderings`, as with a StoreEvent. Nobody changes it."""

    __slots__ = ("renderings",)

    def __init__(self, events: Iterable[StoreEvent]) -> None:
        super().__init__(events)
        self.renderings: dict[str, bytes] = {}


# Gives False where it cannot take more events now: then they are for the reader of the watch.
Take = Callable[[Sequence[StoreEvent]], bool]


@runtime_checkable
class Delivering(Protocol):
    """A watch that hands its events to a function while its reader waits for more. Before it does, it asks whether that `is_ready`;
    where it is not, nothing is taken, and the reader is given an empty batch: it should come back when it can take more."""

    def deliver_to(self, take: Take, is_ready: Callable[[], bool]) -> None: ...


class Piece:
    """Some of a list's JSON, ready to be sent, and shared by all who send it. `packed` is the compressor's."""

    __slots__ = ("data", "packed")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.packed: object = None


@dataclass(frozen=True, slots=True)
class ListResult:
    entries: Sequence[Entry]
    revision: int
    next_key: str  # "" when complete; else where the next page starts
    remaining: int | None  # None where selectors make it unknown


class StaleRevision(Exception):
    """A compare-and-swap lost. `current` is what stands there now, None if absent."""

    def __init__(self, current: Entry | None) -> None:
        super().__init__("the object has been modified")
        self.current = current


class Store(Protocol):
    """Errors: Compacted and FutureRevision of apiserver.backends.backend; StoreUnavailable; StaleRevision."""

    async def get(self, namespace: str, name: str, *, revision: int = 0) -> Entry | None:
        """revision 0: the newest, consistent with every acknowledged write. Else as of that revision (rewind)."""
        ...

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
        """Ordered by key. `revision` exact; `min_revision` waits until the cache is at least that new (-1: it is)."""
        ...

    async def list_json(self, namespace: str = "") -> tuple[bytes, int]:
        """All objects' JSON joined by commas, and the revision: cached, for small collections read again and again."""
        ...

    def is_newest(self, blob: bytes, namespace: str = "") -> bool:
        """Whether `blob` is certainly what `list_json` would give. It costs a look-up; False says to ask."""
        ...

    async def list_pieces(self, namespace: str = "", *, newest: bool = True) -> tuple[Sequence[Piece], int]:
        """The same in pieces, to be sent one after the other: for whole lists without selectors, of any size.
        Without `newest`, what the cache holds."""
        ...

    async def create(self, namespace: str, name: str, obj: Obj) -> Entry:
        """Raises StaleRevision where the name is taken. Durable on return, and visible to every later read."""
        ...

    async def update(self, namespace: str, name: str, obj: Obj, expect_revision: int) -> Entry: ...

    def is_stale(self, entry: Entry) -> bool:
        """Whether it would be stored otherwise today (under another key), so that it is worth a write as it is."""
        ...

    async def delete(self, namespace: str, name: str, expect_revision: int) -> Entry:
        """Returns the last state carrying the deletion's revision as resourceVersion."""
        ...

    def watch(
        self,
        namespace: str = "",
        *,
        from_revision: int,
        predicate: Predicate | None = None,
        name: str = "",
        send_initial: bool = False,
        bookmarks: bool = False,
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[StoreEvent]]]:
        """Events after `from_revision` (send_initial: first every matching object as ADDED, then a BOOKMARK with
        initial_end). Raises Compacted at entry or, for a watcher that fell behind its bounded queue, while iterating."""
        ...

    async def revision(self) -> int:
        """The newest revision of the whole backend, as the cache knows it."""
        ...

    def objects(self) -> int:
        """How many there are, as the cache knows it."""
        ...

    def watching(self, namespace: str) -> int:
        """How many open watches a change in `namespace` is told to."""
        ...
