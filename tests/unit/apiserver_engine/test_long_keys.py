"""Keys as long as a body may be: what is told of the fields below them takes no more than the body does."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from apiserver.engine import decode
from machinery.codec import json_

KEY = "k" * 5000
ITEMS = b'{"x":1,"%s":[%s0]}' % (KEY.encode(), b"0," * 20_000)
TWICE = b'{"a":1,"a":2,"%s":{%s}}' % (KEY.encode(), b",".join([b'"b":1'] * 20_000))
NESTED = b'{"a":1,"a":2,"%s":[%s]}' % (KEY.encode(), b",".join([b'{"b":1}'] * 20_000))


@pytest.mark.parametrize("body", [ITEMS, TWICE, NESTED], ids=["items", "twice", "nested"])
@pytest.mark.parametrize("read", [json_.duplicate_fields, decode._places])
def test_long_key_is_not_kept_once_for_each_value_below(read: Callable[[bytes], Any], body: bytes) -> None:
    tracemalloc.start()
    read(body)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 30_000_000


def test_paths_of_repeated_keys_are_written_as_before() -> None:
    body = b'{"":{"a":1,"a":2},"b":[{"c":[0,{"d":1,"d":2}]}],"b":1,".":{"e":1,"e":2}}'
    assert sorted(json_.duplicate_fields(body)) == sorted(["a", "b", "b[0].c[1].d", "..e"])


def test_unknown_fields_are_told_in_the_order_of_the_text() -> None:
    text = b'{"":{"z":1},"b":[{"y":[0,{"d":1}]}],"a":1}'
    places = decode._places(text)
    paths = ["", "z", "b", "b[0]", "b[0].y", "b[0].y[1]", "b[0].y[1].d", "a"]
    assert [path for path in paths if decode._mark(path) not in places] == []
    assert sorted(paths, key=lambda path: places[decode._mark(path)]) == paths
