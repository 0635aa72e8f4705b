"""Definitions of custom resources made to cost: refused, or served with a bound on what their objects cost."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from served import Got, Served

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NUMBERS = count()
OBJECT = {"type": "object"}


def string(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


def rule(text: str, **more: Any) -> dict[str, Any]:
    return string(**{"x-kubernetes-validations": [{"rule": text, **more}]})


def nested(levels: int, word: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = (
            {"type": "object", "properties": {"a": schema}}
            if word == "properties"
            else {"type": "array", "items": schema}
        )
    return schema


def define(served: Served, spec: dict[str, Any], **version: Any) -> tuple[str, str, Got]:
    plural = f"hostile{next(NUMBERS)}s"
    schema = {"type": "object", "properties": {"spec": spec}}
    names = {
        "plural": plural,
        "singular": plural[:-1],
        "kind": plural.title(),
        "listKind": plural.title() + "List",
    }
    one = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **version}
    body = {
        "metadata": {"name": f"{plural}.hostile.example.com"},
        "spec": {"group": "hostile.example.com", "scope": "Namespaced", "names": names, "versions": [one]},
    }
    got = served.send("POST", DEFINITIONS, body)
    return f"/apis/hostile.example.com/v1/namespaces/default/{plural}", plural.title(), got


REFUSED: dict[str, dict[str, Any]] = {
    "no expression": string(pattern="("),
    "Python's look-ahead": string(pattern="(?=a)b"),
    "Python's reference back": string(pattern=r"(a*)\1+$"),
    "repetitions of repetitions": string(pattern="((a{1,100}){1,100}){1,100}"),
    "an expression of 200,000 letters": string(pattern="a" * 200_000),
    "schemas 120 deep": nested(120, "properties"),
    "arrays 200 deep": nested(200, "items"),
    "a rule in 500 brackets": rule("(" * 500 + "true" + ")" * 500),
    "a rule of 5,000 fields": rule("self" + ".a" * 5000),
    "a rule with a number of 5,000 digits": rule("9" * 5000 + " == 1"),
    "a rule that goes through a list three times": {
        "type": "array",
        "items": {"type": "string"},
        "x-kubernetes-validations": [{"rule": "self.all(x, self.all(y, self.all(z, x == y || y == z)))"}],
    },
    "a list unique by comparing": {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
}


@pytest.mark.parametrize("name", REFUSED)
def test_definition_that_cannot_be_bounded_is_refused(served: Served, name: str) -> None:
    _, _, got = define(served, REFUSED[name])
    assert got.status in (400, 422), got.body[:500]
    assert got.cpu_s < 5


TAKEN: dict[str, tuple[dict[str, Any], Any, tuple[int, ...]]] = {
    "(a+)+$": (string(pattern="^(a+)+$"), "a" * 100_000 + "!", (422,)),
    "(.*)*x": (string(pattern="(.*)*x$"), "a" * 100_000, (422,)),
    "words": (string(pattern="^(([a-z])+.)+[A-Z]([a-z])+$"), "a" * 100_000, (422,)),
    "a rule that matches": (rule("self.matches('^(a+)+$')", message="no"), "a" * 10_000 + "!", (422,)),
    "a rule of 5,000 nots": (rule("!" * 5000 + "true"), "x", (201,)),
    "100,000 values": (string(enum=[str(i) for i in range(100_000)]), "x", (422,)),
    "odd numbers": ({"type": "number", "multipleOf": 1e-320, "minimum": -1e308}, 5, (201, 422)),
    "5,000 alternatives": (string(oneOf=[{"pattern": "a"}] * 5000), "a", (422,)),
}


@pytest.mark.parametrize("name", TAKEN)
def test_objects_of_a_costly_definition_are_judged_soon(served: Served, name: str) -> None:
    schema, value, statuses = TAKEN[name]
    path, kind, got = define(served, schema)
    if got.status != 201:
        assert got.status == 422, got.body[:500]
        return
    served.wait(2)
    obj = {
        "apiVersion": "hostile.example.com/v1",
        "kind": kind,
        "metadata": {"generateName": "x-"},
        "spec": value,
    }
    judged = served.send("POST", path, obj)
    assert judged.status in statuses, judged.body[:500]
    assert judged.cpu_s < 5 and len(judged.body) < 4_000_000


@pytest.mark.parametrize(
    "path", [".a[" + "9" * 5000 + "]", ".a[0:" + "9" * 5000 + "]", ".spec.a[?(@.b==" + "9" * 5000 + ")]"]
)
def test_column_whose_path_cannot_be_read_is_refused(served: Served, path: str) -> None:
    column = {"name": "A", "type": "string", "jsonPath": path}
    _, _, got = define(served, OBJECT, additionalPrinterColumns=[column])
    assert got.status == 422, got.body[:300]
