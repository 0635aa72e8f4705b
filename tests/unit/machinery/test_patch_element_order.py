"""The order of merged lists: what inserting one by one gives, at the price of a sort."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from machinery.patch import element_order, strategic, strategic_diff
from machinery.schema import Schema

ENTRY = Schema("object", fields={"name": Schema("string"), "value": Schema("string")})
MERGED = frozenset(("merge",))
LISTS = Schema(
    "object",
    fields={
        "maps": Schema("list", items=ENTRY, merge_key="name", patch_strategy=MERGED),
        "words": Schema("list", items=Schema("string"), patch_strategy=MERGED),
    },
)


def _inserted(items: list[str], order: list[str]) -> list[str]:
    out: list[str] = []
    for item in items:
        at = len(out)
        place = order.index(item[0]) if item[0] in order else -1
        while at:
            other = order.index(out[at - 1][0]) if out[at - 1][0] in order else -1
            if place >= 0 and other >= 0 and place >= other:
                break
            at -= 1
        out.insert(at, item)
    return out


def _closed_up(items: list[str]) -> list[str]:
    out = list(items)
    i = 0
    while i < len(out):
        j = i + 1
        while j < len(out):
            if out[i] != out[j]:
                j += 1
            else:
                out[j] = out[-1]
                out.pop()
        i += 1
    return out


def test_any_list_stands_as_insertion_leaves_it() -> None:
    rng = random.Random(7)
    for _ in range(500):
        order = rng.choices("abcdefgh", k=rng.randrange(9))
        items = [f"{name}{at}" for at, name in enumerate(rng.choices("abcdefghij", k=rng.randrange(16)))]
        assert element_order.in_order(items, order, lambda item: item[0]) == _inserted(items, order)


def test_any_scalars_stand_once_where_the_last_ones_moved() -> None:
    rng = random.Random(8)
    for _ in range(500):
        items = rng.choices("abcdefgh", k=rng.randrange(16))
        assert element_order.distinct(items) == _closed_up(items)


class _Counted(str):
    """A name that tells how often it was compared."""

    __slots__ = ()
    times = 0

    def __eq__(self, other: object) -> bool:
        _Counted.times += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def _maps(names: list[str], value: str = "x") -> list[dict[str, Any]]:
    return [{"name": _Counted(name), "value": value} for name in names]


def _words(names: list[str]) -> list[str]:
    return [_Counted(name) for name in names]


N = 400
ALL = [f"n{at}" for at in range(N)]
OTHER = [f"o{at}" for at in range(N)]
_ORDER, _GONE = "$setElementOrder/maps", "$deleteFromPrimitiveList/words"
PATCHES: dict[str, Callable[[], Any]] = {
    "reversed": lambda: {"maps": _maps(ALL[::-1], "y")},
    "appended": lambda: {"maps": _maps(OTHER)},
    "ordered": lambda: {"maps": _maps(OTHER), _ORDER: [{"name": name} for name in _words(OTHER + ALL)]},
    "deleted": lambda: {"maps": [{"name": name, "$patch": "delete"} for name in _words(ALL)], _ORDER: []},
    "words": lambda: {"words": _words(ALL[::-1] + OTHER)},
    "words deleted": lambda: {_GONE: _words(ALL)},
}


@pytest.mark.parametrize("what", PATCHES)
def test_long_lists_merge_without_comparing_all_with_all(what: str) -> None:
    patch = PATCHES[what]()
    target = {"maps": _maps(ALL), "words": _words(ALL)}
    _Counted.times = 0
    strategic.apply(target, patch, LISTS)
    assert _Counted.times < 30 * N


def test_long_lists_differ_without_comparing_all_with_all() -> None:
    old = {"maps": _maps(ALL), "words": _words(ALL)}
    new = {"maps": _maps(ALL[::-1], "y"), "words": _words(OTHER)}
    _Counted.times = 0
    made = strategic_diff.two_way(old, new, LISTS)
    assert len(made["maps"]) == N
    assert _Counted.times < 30 * N


def test_names_that_are_no_scalars_are_told_apart() -> None:
    target = {"maps": [{"name": {"a": 1}, "value": "x"}, {"name": [1]}]}
    made = strategic.apply(target, {"maps": [{"name": {"a": 1}, "value": "y"}]}, LISTS)
    assert made == {"maps": [{"name": {"a": 1}, "value": "y"}, {"name": [1]}]}
