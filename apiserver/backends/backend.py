"""The storage seam: etcd-shaped, so that etcd is one implementation among others.

A backend keeps a revision log. Every successful write gets the next revision (one counter for the
whole store, never reused); a key's value can be read as of any revision that is not compacted; a
watch delivers every write from a revision on, in order, without loss or duplicates.

Keys are strings such as `/registry/pods/default/web`; values are bytes (JSON without resourceVersion:
the revision IS the resourceVersion). One contract suite, tests/contract/backend/, runs on all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from apiserver.background import Background
from machinery.value import value


class Compacted(Exception):
    """The asked revision is older than what is kept. `oldest` is the oldest readable revision."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"revision compacted; the oldest kept is {oldest}")
        self.oldest = oldest


class StoreUnavailable(Exception):
    """The store cannot take the write or answer now (disk full, etcd lost). The cause is chained. Nothing was written."""


class OutcomeUnknown(StoreUnavailable):
    """The store was lost in the midst of a write: it may have been made. Nobody may repeat it without looking."""


class KeyUnavailable(StoreUnavailable):
    """The key that the value is encrypted with at rest cannot be had; the message says why. Nothing was written."""


class StoreFailed(Exception):
    """A mistake of ours ended what feeds the watches or writes: this process is of no use any more, the next one is."""


class FutureRevision(Exception):
    """The asked revision does not exist yet."""


@value
class KV:
    key: str
    value: bytes
    create_revision: int
    mod_revision: int


@dataclass(frozen=True, slots=True)
class RangeResult:
    kvs: Sequence[KV]  # ordered by key
    revision: int  # the revision the answer is a snapshot of
    more: bool  # whether `limit` cut the answer


@value
class Change:
    """One write. `kv.value` is empty for a delete; `prev` is what stood there before it (None for a create).

    On a live change `prev.value` may be empty where a backend would have to read it; the changes that a
    watch replays from history always carry it.
    """

    kv: KV
    prev: KV | None
    deleted: bool = False


@value
class TxnResult:
    ok: bool
    revision: int  # of the write where ok, else the store's current one
    current: KV | None  # what stands under the key now: the loser of a race sees what it lost to


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """What a store takes up, as far as it was looked at last; the rest is free and used again."""

    size_bytes: int
    used_bytes: int
    defragmented: int = 0  # times
    defragmenting_failed: int = 0
    defragmenting_s: float = 0.0  # altogether


class ChangeStream(Protocol):
    """What a watch iterates: batches in commit order."""

    def __aiter__(self) -> ChangeStream: ...

    async def __anext__(self) -> Sequence[Change]: ...

    @property
    def progress(self) -> int:
        """Every change up to this revision has been handed out; grows also while nothing matches."""
        ...


class Backend(Protocol):
    @property
    def shared(self) -> bool:
        """Whether others write to the store too: then what was read or watched here may be behind `revision()`."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def revision(self) -> int:
        """The newest revision; linearizable."""
        ...

    async def get(self, key: str, *, revision: int = 0) -> KV | None:
        """The value as of `revision` (0: newest). Raises Compacted, FutureRevision."""
        ...

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> RangeResult:
        """Keys that begin with `prefix`, from `start` on (inclusive), at most `limit` (0: all), as of `revision`."""
        ...

    async def put(self, key: str, value: bytes, *, expect: int | None = None) -> TxnResult:
        """Compare and swap. `expect`: the mod_revision that must stand there, 0: must be absent, None: any.

        Returns after the write is durable.
        """
        ...

    async def delete(self, key: str, *, expect: int | None = None) -> TxnResult:
        """As put; ok is False with current None where the key is absent. `current` of an ok delete is what was deleted."""
        ...

    def watch(self, prefix: str, from_revision: int) -> AbstractAsyncContextManager[ChangeStream]:
        """Every durable change under `prefix` with revision > `from_revision`, in batches in commit order.

        An empty batch is a progress mark. Raises Compacted while entering or iterating. Leaving ends it.
        """
        ...

    async def compact(self, revision: int) -> None:
        """Forget history before `revision`; the newest value of every key stays.

        Reads at `revision` and watches from it still work, older ones raise Compacted. An older `revision`
        than the oldest changes nothing; one that does not exist yet raises FutureRevision.
        """
        ...

    async def oldest_revision(self) -> int:
        """The oldest revision that can still be read."""
        ...

    async def failed(self) -> None:
        """Until cancelled. Raises StoreFailed when something that feeds the watches, or answers, ended by a mistake of ours: then nothing
        that this backend says is to be believed."""
        ...

    def figures(self) -> StoreFigures: ...

    @property
    def background(self) -> Background | None:
        """What it does by itself and may fail at, if anything."""
        ...
