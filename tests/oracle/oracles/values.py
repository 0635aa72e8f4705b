"""Random objects of built-in kinds, made of few words, so that two of them meet often.

`Shape(rng, schema)` chooses once which fields of a kind a case speaks of; `value()` then makes objects out of these, in
the wire's form. Every object is one that upstream's Go types read without error; zeros are left out where Go's JSON would
leave them out, but for a small share (`zeros`).
"""

from __future__ import annotations

import random
import zlib
from typing import Any

from machinery.schema import Schema

Obj = dict[str, Any]
WORDS = ("a", "b", "c")
_SCALARS: dict[str, tuple[Any, ...]] = {
    "quantity": ("1", "100m", "2Gi", "3"),
    "date-time": ("2024-01-01T00:00:00Z", "2025-02-03T04:05:06Z"),
    "micro-time": ("2024-01-01T00:00:00.123456Z", "2024-05-01T00:00:00.000000Z"),
    "byte": ("YQ==", "Zm9v", "YmFy"),
    "int-or-string": (80, "http", "25%"),
    "duration": ("5s", "1m0s"),
}


class Shape:
    def __init__(
        self,
        rng: random.Random,
        schema: Schema,
        share: float = 0.35,
        zeros: float = 0.0,
        *,
        by_merge_key: bool = False,
    ) -> None:
        self._by_merge_key = by_merge_key
        self.schema, self._salt, self._share, self._zeros = schema, rng.randrange(2**32), share, zeros

    def _speaks_of(self, path: str, depth: int) -> bool:
        return zlib.crc32(f"{self._salt}{path}".encode()) % 1000 < 1000 * (self._share if depth > 1 else 0.8)

    def value(self, rng: random.Random, *, sparse: float = 0.0, faulty: float = 0.0) -> Obj:
        """`sparse`: how often a field is left out; `faulty`: how often a list repeats an item."""
        made = self._value(self.schema, rng, "", 0, sparse, faulty)
        assert isinstance(made, dict)
        return made

    def _value(
        self, schema: Schema, rng: random.Random, path: str, depth: int, sparse: float, faulty: float
    ) -> Any:
        if schema.int_or_string:
            return rng.choice(_SCALARS["int-or-string"])
        if schema.format in _SCALARS:
            return rng.choice(_SCALARS[schema.format])
        match schema.kind:
            case "object":
                if schema.preserve_unknown:
                    return {"x": rng.choice(WORDS)}
                return self._object(schema, rng, path, depth, sparse, faulty)
            case "map":
                assert schema.values is not None
                return {
                    key: self._value(schema.values, rng, path + "*", depth + 1, sparse, faulty)
                    for key in rng.sample(WORDS, rng.choice((1, 1, 2, 3)))
                }
            case "list":
                return self._list(schema, rng, path, depth, sparse, faulty)
            case "integer":
                return rng.choice((1, 2, 80)) if rng.random() >= self._zeros else 0
            case "number":
                return rng.choice((1.5, 2.5))
            case "boolean":
                return rng.random() >= self._zeros
            case "any":
                return self._any(schema, rng, path, depth, sparse, faulty)
        return rng.choice(schema.enum or WORDS) if rng.random() >= self._zeros else ""

    def _any(
        self, schema: Schema, rng: random.Random, path: str, depth: int, sparse: float, faulty: float
    ) -> Any:
        if schema.items is not None and depth < 6:
            return self._value(schema.items, rng, path, depth + 2, sparse, faulty)
        return (
            True if schema.format in ("schema-or-bool", "json") else {} if schema.items is not None else True
        )

    def _object(
        self, schema: Schema, rng: random.Random, path: str, depth: int, sparse: float, faulty: float
    ) -> Obj:
        out: Obj = {}
        for name, child in schema.fields.items():
            if name in ("apiVersion", "kind", "managedFields") and depth < 2:
                continue
            here = f"{path}.{name}"
            forced = child.merge_key == "" and name in schema.required and depth > 1
            if depth > 6 or not (forced or self._speaks_of(here, depth)):
                continue
            if rng.random() < sparse and not forced:
                continue
            made = self._value(child, rng, here, depth + 1, sparse, faulty)
            if made not in ({}, []) or rng.random() < self._zeros:
                out[name] = made
        return out

    def _list(
        self, schema: Schema, rng: random.Random, path: str, depth: int, sparse: float, faulty: float
    ) -> list[Any]:
        assert schema.items is not None
        items = []
        seen: list[Any] = []
        keys = schema.list_map_keys or ((schema.merge_key,) if schema.merge_key else ())
        if self._by_merge_key and schema.merge_key:
            keys = (schema.merge_key,)
        for _ in range(rng.choice((1, 2, 2, 3))):
            item = self._value(schema.items, rng, path + "[]", depth + 1, sparse, faulty)
            if isinstance(item, dict):
                for key in keys:
                    child = schema.items.fields[key]
                    if self._by_merge_key or not (child.has_default and rng.random() < 0.4):
                        item[key] = self._value(child, rng, path, depth + 1, sparse, faulty)
                mark: Any = (
                    [item.get(key, schema.items.fields[key].default) for key in keys] if keys else item
                )
            else:
                mark = item
            if (schema.list_type in ("map", "set") or keys) and mark in seen and rng.random() >= faulty:
                continue
            seen.append(mark)
            items.append(item)
        rng.shuffle(items)
        return items
