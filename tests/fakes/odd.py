"""Odd values for the fields of a Schema: mostly of the right type, some of them not, always drawn from one Random."""

from __future__ import annotations

import random
from typing import Any

from machinery.schema import Schema

TEXTS = (
    "", "a", "A_b", "a.b", "a.b/c", "10.0.0.1", "::1", "10.0.0.0/8", "*", "x" * 70, "50%", "1-3,5", "/a/../b",
    "²", "٣", "\u0000", "é", "\ufffd", "9" * 5000, "9" * 5000 + "%", "-1", "+1", "1e999", "0x1", "1Gi", "NaN",
    "2024-01-01T00:00:00Z", "9999-99-99T00:00:00Z", "0000-01-01T00:00:00Z", "2024-01-01T00:00:00+99:99",
    "(a+)+$", "((((", "${a}", "$(A)", "{{.x}}", "[?(@.x)]", "eA==", "=", "!", "!a", "a in (", "a=b,c!=d", "null",
    "true", "http://[::1", "http://x:99999/", "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----",
)  # fmt: skip
INTEGERS = (
    0,
    1,
    -1,
    2,
    80,
    70_000,
    2**31 - 1,
    2**31,
    -(2**31) - 1,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    2**63,
    2**64 - 1,
)
NUMBERS = (0.0, -0.0, 1.5, 1e308, -1e308, 5e-324, 1e22)
ANYTHING: tuple[Any, ...] = (
    None,
    True,
    0,
    1.5,
    "x",
    [],
    {},
    [None],
    {"a": None},
    [[]],
    {"": {}},
    "²",
    2**64 - 1,
)


def odd(node: Schema, rng: random.Random, depth: int = 0, wrong: float = 0.04) -> Any:
    """`wrong`: how often a value of any other type stands where this one belongs."""
    if depth and rng.random() < wrong:
        return rng.choice(ANYTHING)
    if node.int_or_string or node.format == "int-or-string":
        return rng.choice((*INTEGERS, *TEXTS))
    match node.kind:
        case "object" if node.fields:
            share = 0.7 if depth < 2 else 0.4 if depth < 5 else 0.15
            return {
                name: odd(field, rng, depth + 1, wrong)
                for name, field in node.fields.items()
                if depth < 10 and (name in node.required or rng.random() < share)
            }
        case "map" if node.values is not None:
            return {
                rng.choice(TEXTS): odd(node.values, rng, depth + 1, wrong) for _ in range(rng.randrange(3))
            }
        case "list" if node.items is not None:
            return [odd(node.items, rng, depth + 1, wrong) for _ in range(rng.randrange(3))]
        case "integer":
            return rng.choice(INTEGERS)
        case "number":
            return rng.choice((*INTEGERS, *NUMBERS))
        case "boolean":
            return rng.random() < 0.5
        case "string":
            return rng.choice(node.enum) if node.enum and rng.random() < 0.6 else rng.choice(TEXTS)
    return rng.choice(ANYTHING)
