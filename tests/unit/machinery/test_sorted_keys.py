"""Keys in order: as a sorted set, whenever one looks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from machinery.sorted_keys import SortedKeys

NAMES = st.sampled_from([f"/registry/pods/ns-{n % 3}/p{n}" for n in range(60)])


@given(
    st.lists(NAMES, unique=True),
    st.lists(st.one_of(st.tuples(st.sampled_from(["add", "discard"]), NAMES), st.just(("look", "")))),
)
def test_keys_are_in_order_whenever_one_looks(first: list[str], steps: list[tuple[str, str]]) -> None:
    keys, wanted = SortedKeys(sorted(first)), set(first)
    for step, key in steps:
        if step == "look":
            assert keys.in_order() == sorted(wanted)
        elif step == "discard":
            keys.discard(key)
            wanted.discard(key)
        elif key not in wanted:
            keys.add(key)
            wanted.add(key)
        assert len(keys) == len(wanted)
    assert keys.in_order() == sorted(wanted)


def test_many_keys_between_two_looks_come_in_order_too() -> None:
    keys = SortedKeys(f"{n:04}" for n in range(0, 1000, 2))
    for n in range(999, 0, -2):
        keys.add(f"{n:04}")
    assert keys.in_order() == [f"{n:04}" for n in range(1000)]
