"""What judging a custom resource may cost: bounded by its own size, not by that times its schema's."""

from __future__ import annotations

from typing import Any

import pytest

from api.apiextensions.v1.choices import is_among
from api.apiextensions.v1.values import validate_value
from api.validation.errors import MAX_TOLD_CHARS, EnoughErrors, Errors

Obj = dict[str, Any]


def _judged(value: Any, schema: Obj) -> Errors:
    errors = Errors()
    validate_value(errors, value, schema, "spec")
    return errors


class _Counted(str):
    __slots__ = ()
    times = 0

    def __eq__(self, other: object) -> bool:
        _Counted.times += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_value_of_a_thousand_choices_is_not_compared_with_each() -> None:
    choices = [_Counted(f"v{at}") for at in range(1000)]
    schema = {"type": "array", "items": {"type": "string", "enum": choices}}
    _Counted.times = 0
    assert not _judged(["v999"] * 1000, schema)
    assert _Counted.times < 5000


@pytest.mark.parametrize("more", [0, 100])
@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1, True),
        (1.0, True),
        (True, False),
        ("1", False),
        (None, True),
        ([1], True),
        ({"a": 1}, True),
        ([2], False),
    ],
)
def test_choices_are_equal_as_json(value: Any, found: bool, more: int) -> None:
    enum = [1, None, [1.0], {"a": 1}, False, *(f"v{at}" for at in range(more))]
    assert is_among(value, enum) is found


def test_messages_that_repeat_many_choices_are_told_up_to_a_bound() -> None:
    schema = {"type": "array", "items": {"enum": [f"choice-{at}" for at in range(20_000)]}}
    with pytest.raises(EnoughErrors) as refused:
        _judged(["x"] * 1000, schema)
    told = sum(len(cause.message) for cause in refused.value.causes)
    assert 0 < told < 2 * MAX_TOLD_CHARS


def test_branch_with_more_errors_than_are_told_leaves_the_others_to_hold() -> None:
    branches = [{"items": {"pattern": "^a"}}, {"items": {"pattern": "^b"}}]
    schema = {"type": "array", "items": {"type": "string"}, "anyOf": branches}
    assert not _judged(["b"] * 2000, schema)
    assert not _judged(["b"] * 2000, {"type": "array", "not": branches[0]})
