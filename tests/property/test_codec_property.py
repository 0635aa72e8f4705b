"""The codec's two paths over random objects of every kind: equal results, and decoding again changes nothing."""

from __future__ import annotations

import random
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from api import registry
from api.codec import TypedCodec
from machinery.schema import Schema

_SCALARS: dict[str, tuple[Any, ...]] = {
    "quantity": ("0.1", "1024Mi", 2, 0.5, "1e3", "100m", "7"),
    "date-time": ("2024-01-01T00:00:00Z", "2024-01-01T02:00:00.5+02:00"),
    "micro-time": ("2024-01-01T00:00:00.123456Z", "2024-01-01T00:00:00.000000Z"),
    "byte": ("", "YQ==", "Zm9v"),
    "int-or-string": (80, "http", "25%"),
}


def random_value(schema: Schema, rng: random.Random, depth: int) -> Any:
    if schema.format in _SCALARS:
        return rng.choice(_SCALARS[schema.format])
    match schema.kind:
        case "object":
            if schema.preserve_unknown:
                return {"any": [1, None, {"thing": True}]}
            share = 0.5 if depth < 2 else 0.25
            names = [name for name in schema.fields if depth < 7 and rng.random() < share]
            return {name: random_value(schema.fields[name], rng, depth + 1) for name in names}
        case "map":
            assert schema.values is not None
            return {
                key: random_value(schema.values, rng, depth + 1)
                for key in rng.sample("abc", rng.randrange(3))
            }
        case "list":
            assert schema.items is not None
            return [random_value(schema.items, rng, depth + 1) for _ in range(rng.randrange(3))]
        case "integer":
            return rng.choice((0, 1, -5, 2**31 - 1))
        case "number":
            return rng.choice((0, 1.5))
        case "boolean":
            return rng.random() < 0.5
        case "any":
            return random_value(schema.items, rng, depth + 3) if schema.items is not None else {"x": None}
    return rng.choice(("", "text", "ünï"))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 10_000))
def test_both_paths_read_the_same_object(seed: int, pick: int) -> None:
    resources = registry.load()
    resource = resources[pick % len(resources)]
    sent = random_value(resource.schema(), random.Random(seed), 0)
    codec = resource.codec()
    assert isinstance(codec, TypedCodec)
    fast, unknown = codec.decode(orjson.loads(orjson.dumps(sent)))
    assert unknown == []
    assert codec._decode_slowly(orjson.loads(orjson.dumps(sent))) == (fast, [])
    assert codec.decode(orjson.loads(orjson.dumps(fast))) == (fast, [])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 10_000))
def test_unknown_fields_anywhere_are_named_and_nothing_else_is_lost(seed: int, pick: int) -> None:
    resources = registry.load()
    resource = resources[pick % len(resources)]
    rng = random.Random(seed)
    clean, _ = resource.codec().decode(random_value(resource.schema(), rng, 0))
    dirty = orjson.loads(orjson.dumps(clean))
    dirty["notAField"] = 1
    if isinstance(dirty.get("metadata"), dict):
        dirty["metadata"]["notAField"] = {"deep": []}
    obj, unknown = resource.codec().decode(dirty)
    assert obj == clean
    assert all(path.endswith("notAField") for path in unknown)
    assert len(unknown) == 1 + ("metadata" in clean)
