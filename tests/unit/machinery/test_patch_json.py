"""JSON patch and merge patch, by the RFCs' own examples and upstream's messages."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.patch import PatchError, json_patch, merge


@pytest.mark.parametrize(
    ("doc", "operations", "expected"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": 1}], {"foo": "bar", "baz": 1}),
        ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/-1"}], {"a": [1]}),
        ({"a": [1, 2]}, [{"op": "replace", "path": "/a/-1", "value": 3}], {"a": [1, 3]}),
        ({"a": [1, 2]}, [{"op": "add", "path": "/a/-1", "value": 3}], {"a": [1, 2, 3]}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/a"}], {"b": 2}),
        ({"a": [1, 2, 3]}, [{"op": "remove", "path": "/a/1"}], {"a": [1, 3]}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": None}], {"a": None}),
        (
            {"a": {"x": 1}, "b": {}},
            [{"op": "move", "from": "/a/x", "path": "/b/y"}],
            {"a": {}, "b": {"y": 1}},
        ),
        ({"a": [1, 2, 3]}, [{"op": "move", "from": "/a/0", "path": "/a/2"}], {"a": [2, 3, 1]}),
        (
            {"a": {"x": [1]}},
            [
                {"op": "copy", "from": "/a", "path": "/b"},
                {"op": "add", "path": "/b/x/-", "value": 2},
            ],
            {"a": {"x": [1]}, "b": {"x": [1, 2]}},
        ),
        ({"a/b": 1, "m~n": 2}, [{"op": "test", "path": "/a~1b", "value": 1}], {"a/b": 1, "m~n": 2}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
        ({"": 1}, [{"op": "test", "path": "/", "value": 1}], {"": 1}),
        ({"a": 1}, [{"op": "test", "path": "/zz", "value": None}], {"a": 1}),
        ({"a": 1}, [], {"a": 1}),
    ],
)
def test_json_patch_applies(doc: Any, operations: Any, expected: Any) -> None:
    before = repr(doc)
    assert json_patch.apply(doc, operations) == expected
    assert repr(doc) == before


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ([{"op": "remove", "path": "/x"}], "Unable to remove nonexistent key: x"),
        ([{"op": "replace", "path": "/x", "value": 1}], "doc is missing key: /x: missing value"),
        ([{"op": "add", "path": "/x/y", "value": 1}], 'doc is missing path: "/x/y": missing value'),
        ([{"op": "test", "path": "/a", "value": 2}], "testing value /a failed: test failed"),
        ([{"op": "test", "path": "/t", "value": 1}], "testing value /t failed: test failed"),
        ([{"op": "add", "path": "/l/5", "value": 1}], "invalid index referenced"),
        ([{"op": "add", "path": "/l/01", "value": 1}], "bad index"),
        ([{"op": "remove", "path": "/l/-2"}], "Unable to access invalid index: -2"),
        ([{"op": "remove", "path": "/l/x"}], "bad index"),
        ([{"op": "copy", "from": "/l", "path": "/l/-"}] * 60, "exceeding the limit 3145728"),
        ([{"op": "bad", "path": "/a"}], "unsupported operation"),
        ([{"op": "add", "value": 1}], "missing or bad 'path'"),
        ([{"op": "add", "path": "/a"}], "missing value"),
        ([{"op": "copy", "from": "/x", "path": "/y"}], "doc is missing from path"),
        ([{"op": "move", "from": "/l", "path": "/l/0"}], "moved into itself"),
        ({"op": "add"}, "a JSON patch is a list of operations"),
        ([{"op": "test", "path": "/a", "value": 1}] * 10_001, "allowed maximum operations"),
        ([{"op": "add", "path": "a", "value": 1}], "invalid JSON pointer"),
    ],
)
def test_json_patch_that_does_not_fit_is_refused(operations: Any, message: str) -> None:
    with pytest.raises(PatchError) as caught:
        json_patch.apply({"a": 1, "l": [1], "t": True}, operations)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_follows_the_rfcs_table(target: Any, patch: Any, expected: Any) -> None:
    before = repr(target)
    assert merge.apply(target, patch) == expected
    assert repr(target) == before


def test_merge_three_way_removes_only_what_was_applied() -> None:
    original = {"spec": {"a": 1, "b": 2}}
    modified = {"spec": {"a": 5}}
    current = {"spec": {"a": 1, "b": 2, "c": 3}, "status": {}}
    patch = merge.three_way(original, modified, current)
    assert patch == {"spec": {"b": None, "a": 5}}
    assert merge.apply(current, patch) == {"spec": {"a": 5, "c": 3}, "status": {}}
