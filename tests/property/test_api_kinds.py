"""Whatever of the right types is sent, a kind's defaults, judgement, warnings and columns never break.

Objects are drawn from the kind's own schema, mostly incomplete and full of odd values, and decoded as the server would.
A judge may refuse all of it, but must not raise, and defaults applied twice change nothing.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import registry
from api.resource import Resource
from machinery.errors import BadRequest
from machinery.objects import deep_copy
from machinery.schema import Schema

NOW = 1_704_067_275.0
WORDS = (
    "",
    "a",
    "A_b",
    "a.b",
    "a.b/c",
    "10.0.0.1",
    "::1",
    "10.0.0.0/8",
    "*",
    "x" * 70,
    "50%",
    "1-3,5",
    "/a/../b",
)
SCALARS: dict[str, tuple[Any, ...]] = {
    "quantity": ("0", "-1", "1", "500m", "1Gi"),
    "date-time": ("2024-01-01T00:00:00Z",),
    "micro-time": ("2024-01-01T00:00:00.000001Z",),
    "byte": ("", "eA=="),
    "int-or-string": (-1, 0, 80, "http", "25%", "125%"),
}
MEANT = ("spec", "template", "type", "name")


def drawn(node: Schema, rng: random.Random, depth: int = 0) -> Any:
    if node.format in SCALARS or node.int_or_string:
        return rng.choice(SCALARS["int-or-string" if node.int_or_string else node.format])
    match node.kind:
        case "object":
            if node.preserve_unknown:
                return rng.choice(({}, {"any": [1]}))
            share = 0.6 if depth < 3 else 0.4 if depth < 5 else 0.2
            return {
                name: drawn(field, rng, depth + 1)
                for name, field in node.fields.items()
                if depth < 9 and rng.random() < (0.85 if name in MEANT else share)
            }
        case "map":
            assert node.values is not None
            return {rng.choice(WORDS): drawn(node.values, rng, depth + 1) for _ in range(rng.randrange(3))}
        case "list":
            assert node.items is not None
            return [drawn(node.items, rng, depth + 1) for _ in range(rng.randrange(3))]
        case "integer":
            return rng.choice((-1, 0, 1, 2, 80, 70_000))
        case "number":
            return rng.choice((0.0, 1.5))
        case "boolean":
            return rng.random() < 0.5
    return rng.choice(node.enum if node.enum and rng.random() < 0.7 else WORDS)


RESOURCES = {f"{r.kind}.{r.gvr.version}.{r.gvr.group}": r for r in registry.load() if "list" in r.verbs}


@pytest.mark.parametrize("name", RESOURCES)
def test_judge_never_breaks(name: str) -> None:
    resource = RESOURCES[name]

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 2**32))
    def judged(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(3):
            old, new = as_stored(resource, rng), as_stored(resource, rng)
            if old is not None and new is not None:
                judge(resource, old, new)

    judged()


def as_stored(resource: Resource, rng: random.Random) -> dict[str, Any] | None:
    meta = {"name": "x", "uid": "u", "creationTimestamp": "2024-01-01T00:00:00Z"}
    meta |= {"namespace": "default"} if resource.namespaced else {}
    sent = drawn(resource.schema(), rng)
    sent |= {"apiVersion": resource.gvr.api_version, "kind": resource.kind, "metadata": meta}
    try:
        obj, _ = resource.codec().decode(sent)
    except BadRequest:
        return None
    strategy = resource.strategy
    strategy.default(obj)
    strategy.prepare_create(obj)
    strategy.default(obj)
    again = deep_copy(obj)
    strategy.default(again)
    assert again == obj
    return obj


def judge(resource: Resource, old: dict[str, Any], new: dict[str, Any]) -> None:
    strategy = resource.strategy
    good = not list(strategy.validate(new))
    list(strategy.warnings(new, None))
    list(strategy.warnings(new, old))
    updated = deep_copy(new)
    strategy.prepare_update(updated, deep_copy(old))
    list(strategy.validate_update(updated, old))
    status = deep_copy(new)
    strategy.prepare_status_update(status, deep_copy(old))
    list(strategy.validate_status_update(status, old))
    for sub in resource.subresources.values():
        if sub.strategy is not None:
            part = deep_copy(new)
            sub.strategy.prepare_update(part, deep_copy(old))
            list(sub.strategy.validate_update(part, old))
    if not good:
        return  # what is shown and converted was stored, and so was good
    for column in resource.columns:
        if callable(column.path):
            assert column.path(new, NOW) is not None
    if resource.to_storage is not None and resource.from_storage is not None:
        resource.from_storage(resource.to_storage(deep_copy(new)))
