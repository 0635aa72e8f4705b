"""The order of a list that two have a say in: a strategic patch and the object it changes.

The patch's elements stand in the patch's order (or in that of its `$setElementOrder`), the others in the object's, and
both are interleaved by where the object had them.

Source: apimachinery pkg/util/strategicpatch (normalizeElementOrder).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Identity = Callable[[Any], Any]


def arrange(merged: list[Any], order: list[Any], server: list[Any], identity: Identity) -> list[Any]:
    """Elements named in `order` in that order; the others interleaved by where `server` had them."""
    wanted = [identity(item) for item in order]
    served = [identity(item) for item in server]
    named = in_order([item for item in merged if identity(item) in wanted], wanted, identity)
    others = in_order([item for item in merged if identity(item) not in wanted], served, identity)
    out: list[Any] = []
    i = j = 0
    while i < len(others) and j < len(named):
        left, right = _place(others[i], served, identity), _place(named[j], served, identity)
        if 0 <= left < right:
            out.append(others[i])
            i += 1
        else:
            out.append(named[j])
            j += 1
    return [*out, *others[i:], *named[j:]]


def in_order(items: list[Any], order: list[Any], identity: Identity) -> list[Any]:
    """Sorted by their place in `order`, as upstream sorts: an element that is not there goes before whatever it meets."""
    out: list[Any] = []
    for item in items:
        at = len(out)
        place = _place(item, order, identity)
        while at and _is_before(place, _place(out[at - 1], order, identity)):
            at -= 1
        out.insert(at, item)
    return out


def _is_before(place: int, other: int) -> bool:
    return place < other if place >= 0 and other >= 0 else True


def _place(item: Any, order: list[Any], identity: Identity) -> int:
    name = identity(item)
    return order.index(name) if name in order else -1


def distinct(items: list[Any]) -> list[Any]:
    """Every scalar once, as upstream leaves them: the last moves into the place of one that goes."""
    out = list(items)
    i = 0
    while i < len(out) - 1:
        j = i + 1
        while j < len(out):
            if out[i] == out[j]:
                out[j] = out[-1]
                out.pop()
            else:
                j += 1
        i += 1
    return out
