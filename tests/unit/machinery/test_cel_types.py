"""What the type check of expressions says, and where it stays silent."""

from __future__ import annotations

import pytest

from machinery.cel import Environment
from machinery.cel.typecheck import check
from machinery.cel.variables import bind
from machinery.schema import Schema

CONTAINER = Schema("object", fields={"name": Schema("string"), "port": Schema("integer")})
SPEC = Schema(
    "object",
    fields={
        "replicas": Schema("integer"),
        "name": Schema("string"),
        "paused": Schema("boolean"),
        "ratio": Schema("number"),
        "amount": Schema("string", format="quantity"),
        "labels": Schema("map", values=Schema("string")),
        "items": Schema("list", items=CONTAINER),
        "free": Schema("object", preserve_unknown=True),
    },
)
SCHEMAS = {"object": Schema("object", fields={"spec": SPEC}), "oldObject": None}
ENVIRONMENT = Environment(("object", "oldObject", "params"))


def found(text, variables=()):
    whole = bind(text, variables)
    return check(ENVIRONMENT.compile(whole).tree(), whole, SCHEMAS).mistakes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("object.spec.replicas > '1'", "found no matching overload for '_>_' applied to '(int, string)'"),
        ("'a' + object.spec.replicas", "found no matching overload for '_+_' applied to '(string, int)'"),
        ("object.spec.nope == 1", "undefined field 'nope'"),
        ("has(object.spec.nope)", "undefined field 'nope'"),
        ("object.spec.items.all(c, c.nope == '')", "undefined field 'nope'"),
        ("object.spec.items.all(c, c.port > 'x')", "'_>_' applied to '(int, string)'"),
        ("object.spec.items.exists(c, c.name == 1)", "'_==_' applied to '(string, int)'"),
        ("object.spec.items[0].port + 'x' == ''", "'_+_' applied to '(int, string)'"),
        ("object.spec.labels.all(k, object.spec.labels[k] > 1)", "'_>_' applied to '(string, int)'"),
        ("object.spec.replicas.x == 1", "type 'int' does not support field selection"),
        ("object.spec.paused && object.spec.name", "'_&&_' applied to '(bool, string)'"),
        ("!object.spec.name", "'!_' applied to '(string)'"),
    ],
)
def test_mistake_is_found(text, message):
    (said,) = found(text)
    assert message in said and said.startswith("ERROR: <input>:1:")


@pytest.mark.parametrize(
    "text",
    [
        "object.spec.replicas > 1 && object.spec.ratio < 2",
        "object.spec.amount == '1' && object.spec.free.any.thing > 1",
        "oldObject.whatever.there == params.is",
        "object.spec.?name.orValue('') == 'x'",
        "object.spec.items.map(c, c.name).join(',') == 'a'",
        "object.spec.items.filter(c, c.port > 1).size() > 0",
        "object.spec.labels['a'] == 'b' && 'a' in object.spec.labels",
        "object.spec.name.startsWith('a') ? object.spec.paused : true",
        "object.spec.items.all(c, c.name.matches('^a') && has(c.port))",
        "object.spec.labels == {'a': 'b'} && object.spec.name != null",
        "string(object.spec.replicas) + 'x' == '1x' && object.spec.items == []",
    ],
)
def test_what_may_be_right_is_let_pass(text):
    assert found(text) == []


def test_mistake_is_shown_at_its_place():
    assert found("true &&\n object.spec.nope") == [
        "ERROR: <input>:2:13: undefined field 'nope'\n |  object.spec.nope\n | ............^"
    ]


def test_mistake_in_a_variable_is_found_where_it_is_used():
    (said,) = found("variables.count > 'x'", [("count", "object.spec.replicas")])
    assert "'_>_' applied to '(int, string)'" in said
