"""What lists, embedded objects and defaults of a structural schema must be, and what their values must."""

from __future__ import annotations

from typing import Any

import pytest

from api.apiextensions.v1.default_values import unknown_fields
from api.apiextensions.v1.definition import validate_schema
from api.apiextensions.v1.values import validate_embedded
from api.validation.errors import Errors

Obj = dict[str, Any]
TEXT = {"type": "string"}


def of(**field: Any) -> Obj:
    return {"type": "object", "properties": {"t": field}}


def array(list_type: str, items: Obj, *keys: str) -> Obj:
    more = {"x-kubernetes-list-map-keys": list(keys)} if keys else {}
    return of(type="array", items=items, **{"x-kubernetes-list-type": list_type}, **more)


def item(required: tuple[str, ...] = ("a",), **properties: Obj) -> Obj:
    return {"type": "object", "required": list(required), "properties": properties}


@pytest.mark.parametrize(
    ("schema", "field", "message"),
    [
        (array("set", item(a=TEXT)), "t].items.x-kubernetes-map-type", "must be atomic as item of a list"),
        (array("set", {**TEXT, "nullable": True}), "t].items.nullable", "cannot be nullable"),
        (array("map", item(a={"type": "object"}), "a"), "t].items.properties[a].type", "must be a scalar"),
        (array("map", item(a={**TEXT, "nullable": True}), "a"), "[a].nullable", "cannot be nullable"),
        (array("map", item(a=TEXT), "a", "a"), "x-kubernetes-list-map-keys", "must not contain duplicate"),
        (of(type="array", items=TEXT, **{"x-kubernetes-map-type": "atomic"}), "t].type", "must be object if"),
        ({"type": "object", "properties": {"kind": {"type": "integer"}}}, "[kind].type", "must be string"),
    ],
)
def test_list_that_cannot_be_merged_is_refused(schema: Obj, field: str, message: str) -> None:
    errors = Errors()
    validate_schema(errors, schema, "s")
    (cause,) = errors.causes
    assert cause.field.endswith(field) and message in cause.message


@pytest.mark.parametrize(
    "schema",
    [
        array("set", {**item(a=TEXT), "x-kubernetes-map-type": "atomic"}),
        array("set", TEXT),
        array("map", item(a=TEXT, b={"type": "integer"}, required=("a", "b")), "a", "b"),
    ],
)
def test_list_that_can_be_merged_is_accepted(schema: Obj) -> None:
    errors = Errors()
    validate_schema(errors, schema, "s")
    assert errors.causes == []


EMBEDDED = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "x-kubernetes-preserve-unknown-fields": True,
}


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"kind": "Pod"}, "t.apiVersion"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a/b"}}, "t.metadata.name"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a b": "c"}}}, "t.metadata.labels"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": 1}}}, "t.metadata.labels"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": []}, "t.metadata"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ok"}, "spec": {}}, None),
    ],
)
def test_embedded_object_is_judged_as_an_object(value: Obj, field: str | None) -> None:
    errors = Errors()
    validate_embedded(errors, value, EMBEDDED, "t")
    assert [cause.field for cause in errors.causes] == ([field] if field else [])


def test_default_must_not_say_what_pruning_takes_away() -> None:
    schema = {
        "type": "object",
        "properties": {"a": of(**TEXT)["properties"]["t"], "l": {"type": "array", "items": of(**TEXT)}},
    }
    assert list(unknown_fields({"a": "x", "b": 1, "l": [{"t": "x"}, {"u": 1}]}, schema)) == ["b", "l[1].u"]
    assert list(unknown_fields({"b": 1}, {**schema, "x-kubernetes-preserve-unknown-fields": True})) == []
