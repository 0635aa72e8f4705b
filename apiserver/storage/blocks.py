"""The JSON of a whole collection in pieces that outlive a write: one object changed, one piece made anew.

Keys stand in order in blocks of up to a hundred or so; a block keeps its objects' JSON joined, and whoever compresses a
piece keeps the result with it. A list of thousands of objects is then a handful of ready pieces that are sent one after
the other: nothing of the collection's size is copied, joined or compressed because of one write.

It costs the collection's size in memory once more, so it is made by the first list and dropped when nobody has listed
for a while (`forget`). Every piece begins with a comma but the first one of an answer.

Invariants: the keys of all blocks, in order, are the keys given by `load`, `add` and `remove`; no block is empty; a piece
is never changed, only replaced.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence

from apiserver.storage.store import Entry, Piece

SPLIT_ABOVE = 128


class _Block:
    __slots__ = ("first", "following", "keys")

    def __init__(self, keys: list[str]) -> None:
        self.keys = keys
        self.first: Piece | None = None  # the pieces as they are sent at the head of a list, and later in it
        self.following: Piece | None = None

    def change(self) -> None:
        self.first = self.following = None

    def piece(self, entries: Mapping[str, Entry], *, first: bool) -> Piece:
        known = self.first if first else self.following
        if known is None:
            known = joined([entries[key] for key in self.keys], first=first)
            if first:
                self.first = known
            else:
                self.following = known
        return known


def joined(entries: Sequence[Entry], *, first: bool) -> Piece:
    data = [entry.data for entry in entries]
    if not first:
        data.insert(0, b"")
    return Piece(b",".join(data))


class Blocks:
    def __init__(self, order: Sequence[str]) -> None:
        """`order`: all keys, sorted."""
        half = SPLIT_ABOVE // 2
        self._blocks = [_Block(list(order[i : i + half])) for i in range(0, len(order), half)]
        self._lasts = [block.keys[-1] for block in self._blocks]
        self._asked = True

    def pieces(self, entries: Mapping[str, Entry], prefix: str, end: str) -> list[Piece]:
        """The JSON of the entries whose keys lie in [prefix, end], by commas joined, in order."""
        self._asked = True
        out: list[Piece] = []
        at = bisect_left(self._lasts, prefix)
        while at < len(self._blocks):
            block = self._blocks[at]
            if block.keys[0] > end:
                break
            if block.keys[0] >= prefix and block.keys[-1] <= end:
                out.append(block.piece(entries, first=not out))
            else:
                keys = block.keys[bisect_left(block.keys, prefix) : bisect_right(block.keys, end)]
                if keys:
                    out.append(joined([entries[key] for key in keys], first=not out))
            at += 1
        return out

    def change(self, key: str) -> None:
        self._blocks[bisect_left(self._lasts, key)].change()

    def add(self, key: str) -> None:
        at = bisect_left(self._lasts, key)
        if at == len(self._blocks):
            if not at or len(self._blocks[-1].keys) >= SPLIT_ABOVE // 2:
                self._blocks.append(_Block([key]))
                self._lasts.append(key)
                return
            at -= 1
        block = self._blocks[at]
        insort(block.keys, key)
        block.change()
        if len(block.keys) > SPLIT_ABOVE:
            half = len(block.keys) // 2
            self._blocks.insert(at + 1, _Block(block.keys[half:]))
            self._lasts.insert(at + 1, block.keys[-1])
            del block.keys[half:]
        self._lasts[at] = block.keys[-1]

    def remove(self, key: str) -> None:
        at = bisect_left(self._lasts, key)
        block = self._blocks[at]
        block.keys.remove(key)
        block.change()
        if block.keys:
            self._lasts[at] = block.keys[-1]
        else:
            del self._blocks[at], self._lasts[at]

    def forget(self) -> bool:
        """True where nobody has asked since the last call: then this can be dropped."""
        asked, self._asked = self._asked, False
        return not asked


class Lists:
    """The blocks of one resource while somebody lists it, and nothing while nobody does."""

    def __init__(self) -> None:
        self._blocks: Blocks | None = None

    def pieces(
        self, entries: Mapping[str, Entry], order: Sequence[str], prefix: str, end: str
    ) -> list[Piece]:
        if self._blocks is None:
            self._blocks = Blocks(order)
        return self._blocks.pieces(entries, prefix, end)

    def apply(self, key: str, before: Entry | None, after: Entry | None) -> None:
        """An entry came, changed or went."""
        if self._blocks is None:
            return
        if before is None:
            self._blocks.add(key)
        elif after is None:
            self._blocks.remove(key)
        else:
            self._blocks.change(key)

    def drop(self) -> None:
        self._blocks = None

    def drop_unused(self) -> None:
        """To be called now and then: what was not asked for since the last call goes."""
        if self._blocks is not None and self._blocks.forget():
            self._blocks = None
