"""Below a key as long as an object may be, what is told stays bounded."""

from __future__ import annotations

import pytest

from api.apiextensions.v1.pruning import StructuralCodec
from api.apiextensions.v1.structural import root_schema
from machinery.errors import Conflict
from machinery.patch.apply import server_side

KEY = "k" * 10_000
MANY = 5000
ENTRIES = {"type": "array", "items": {"type": "object"}}
SCHEMA = root_schema(
    {
        "type": "object",
        "properties": {
            "map": {"type": "object", "additionalProperties": ENTRIES},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    },
    "example.com",
    "v1",
    "Widget",
)
WIDGET = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}}


def test_unknown_fields_below_a_long_key_are_told_up_to_a_bound() -> None:
    obj, unknown = StructuralCodec(SCHEMA).decode({**WIDGET, "map": {KEY: [{"x": 1}] * MANY}})
    assert obj["map"] == {KEY: [{}] * MANY}
    assert 100 < len(unknown) < 1000


def test_conflicts_below_a_long_key_are_counted_and_told_up_to_a_bound() -> None:
    def applied(live: dict[str, object] | None, value: int, manager: str) -> dict[str, object]:
        config = {**WIDGET, "free": {KEY: {f"x{at}": value for at in range(MANY)}}}
        return server_side.apply(
            live, config, manager=manager, api_version="example.com/v1", now=1.0, schema=SCHEMA
        )

    with pytest.raises(Conflict) as refused:
        applied(applied(None, 1, "one"), 2, "two")
    assert str(refused.value).startswith(f"Apply failed with {MANY} conflicts: ")
    assert 100 < len(refused.value.causes) < 1000
