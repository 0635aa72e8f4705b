"""The order of a list that two have a say in: a strategic patch and the object it changes.

The patch's elements stand in the patch's order (or in that of its `$setElementOrder`), the others in the object's, and
both are interleaved by where the object had them.

Source: apimachinery pkg/util/strategicpatch (normalizeElementOrder).
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Hashable
from typing import Any

Identity = Callable[[Any], Any]


def arrange(merged: list[Any], order: list[Any], server: list[Any], identity: Identity) -> list[Any]:
    """Elements named in `order` in that order; the others interleaved by where `server` had them."""
    wanted = _places([identity(item) for item in order])
    served = _places([identity(item) for item in server])
    known = [(item, name_key(identity(item))) for item in merged]
    named = _sorted_by([each for each in known if each[1] in wanted], wanted)
    others = _sorted_by([each for each in known if each[1] not in wanted], served)
    out: list[Any] = []
    i = j = 0
    while i < len(others) and j < len(named):
        left, right = served.get(others[i][1], -1), served.get(named[j][1], -1)
        if 0 <= left < right:
            out.append(others[i][0])
            i += 1
        else:
            out.append(named[j][0])
            j += 1
    return [*out, *(item for item, _ in others[i:]), *(item for item, _ in named[j:])]


def in_order(items: list[Any], order: list[Any], identity: Identity) -> list[Any]:
    """Sorted by their place in `order`, as upstream sorts: an element that is not there goes before whatever it meets."""
    known = [(item, name_key(identity(item))) for item in items]
    return [item for item, _ in _sorted_by(known, _places(order))]


_Known = tuple[Any, Hashable]  # an element and its name's key


def _sorted_by(items: list[_Known], places: dict[Hashable, int]) -> list[_Known]:
    """What inserting one after the other comes to, without comparing all with all.

    An element without a place goes to the front of what is there when it comes, and stays right before the element that
    was the first of those with a place; where there was none, it ends behind all of them.
    """
    first: int | None = None  # of those with a place: the index of the first of them so far
    placed: list[tuple[int, int]] = []
    before: dict[int | None, list[_Known]] = {}
    for index, item in enumerate(items):
        place = places.get(item[1], -1)
        if place < 0:
            before.setdefault(first, []).append(item)
            continue
        if first is None or place < places[items[first][1]]:
            first = index
        placed.append((place, index))
    out: list[_Known] = []
    for _, index in sorted(placed):
        out += reversed(before.get(index, ()))
        out.append(items[index])
    out += reversed(before.get(None, ()))
    return out


def _places(names: list[Any]) -> dict[Hashable, int]:
    """Where each name stands first."""
    out: dict[Hashable, int] = {}
    for place, name in enumerate(names):
        out.setdefault(name_key(name), place)
    return out


def name_key(name: Any) -> Hashable:
    """What a dict finds a name by, whatever value somebody put where a name should be."""
    if isinstance(name, (dict, list)):
        return type(name), json.dumps(name, sort_keys=True)
    found: Hashable = name
    return found


def distinct(items: list[Any]) -> list[Any]:
    """Every scalar once, as upstream leaves them: the last moves into the place of one that goes."""
    out = list(items)
    standing: dict[
        Any, list[int]
    ] = {}  # where a value stands, the least first; what moved away is still told
    for index, item in enumerate(out):
        standing.setdefault(item, []).append(index)
    i = 0
    while i < len(out):
        item, heap = out[i], standing[out[i]]
        while heap:
            j = heapq.heappop(heap)
            if i < j < len(out) and out[j] == item:
                last = out.pop()
                if j < len(out):
                    out[j] = last
                    heapq.heappush(standing[last], j)
        i += 1
    return out
