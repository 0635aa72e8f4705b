"""Rules in CEL on custom resources: transitions, ratcheting, messages, places."""

from __future__ import annotations

from typing import Any

import pytest

from api.apiextensions.v1.cel_values import escaped
from api.apiextensions.v1.customresource import CustomStrategy
from api.apiextensions.v1.structural import root_schema

Obj = dict[str, Any]


def strategy(spec: Obj, **root: Any) -> CustomStrategy:
    raw = {"type": "object", "properties": {"spec": spec}, **root}
    return CustomStrategy(lambda: root_schema(raw, "example.com", "v1", "Toy"), raw, has_status=True)


def toy(name: str = "t", **spec: Any) -> Obj:
    return {"apiVersion": "example.com/v1", "kind": "Toy", "metadata": {"name": name}, "spec": spec}


def said(causes: Any) -> list[tuple[str, str]]:
    return [(cause.field, cause.message) for cause in causes]


INT = {"type": "integer"}


def ruled(*rules: Obj, **properties: Obj) -> Obj:
    return {"type": "object", "properties": properties, "x-kubernetes-validations": list(rules)}


def test_rule_judges_its_part_of_the_object() -> None:
    rule = {"rule": "self.min <= self.max", "message": "min must not exceed max"}
    judge = strategy(ruled(rule, min=INT, max=INT))
    assert said(judge.validate(toy(min=1, max=2))) == []
    wrong = [("spec", 'Invalid value: "object": min must not exceed max')]
    assert said(judge.validate(toy(min=3, max=2))) == wrong
    (missing,) = said(judge.validate(toy(min=3)))
    assert missing[1].endswith("no such key: max evaluating rule: min must not exceed max")


def test_rule_without_message_is_its_own() -> None:
    judge = strategy(ruled({"rule": " self.n > 1 "}, n=INT))
    assert said(judge.validate(toy(n=1))) == [("spec", 'Invalid value: "object": failed rule: self.n > 1')]


def test_message_reason_and_place_may_be_said() -> None:
    rule = {
        "rule": "self.n > 1",
        "message": "fixed",
        "messageExpression": "'n is %d'.format([self.n])",
        "reason": "FieldValueForbidden",
        "fieldPath": ".n",
    }
    assert said(strategy(ruled(rule, n=INT)).validate(toy(n=1))) == [("spec.n", "Forbidden: n is 1")]
    broken = {**rule, "messageExpression": "string(self.none)", "fieldPath": "['a-b']"}
    assert said(strategy(ruled(broken, n=INT)).validate(toy(n=1))) == [("spec.a-b", "Forbidden: fixed")]


def test_transition_rule_waits_for_an_update() -> None:
    judge = strategy(
        {**INT, "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "only grows"}]}
    )
    assert said(judge.validate({**toy(), "spec": 1})) == []
    assert said(judge.validate_update({**toy(), "spec": 2}, {**toy(), "spec": 1})) == []
    shrunk = judge.validate_update({**toy(), "spec": 1}, {**toy(), "spec": 2})
    assert said(shrunk) == [("spec", 'Invalid value: "integer": only grows')]
    assert said(judge.validate_update({**toy(), "spec": 1}, toy() | {"spec": None})) == []


def test_transition_rule_may_ask_for_creation_too() -> None:
    rule = {
        "rule": "oldSelf.hasValue() ? oldSelf.value().n == self.n : self.n == 1",
        "optionalOldSelf": True,
        "message": "no",
    }
    judge = strategy(ruled(rule, n=INT))
    assert said(judge.validate(toy(n=1))) == []
    assert len(said(judge.validate(toy(n=2)))) == 1
    assert len(said(judge.validate_update(toy(n=2), toy(n=1)))) == 1
    assert said(judge.validate_update(toy(n=2), toy(n=2))) == []


def test_rule_that_was_broken_before_is_forgiven_where_nothing_changed() -> None:
    part = ruled({"rule": "self.n > 1"}, n=INT)
    judge = strategy({"type": "object", "properties": {"part": part, "other": INT}})
    old = toy(part={"n": 0}, other=1)
    assert said(judge.validate_update(toy(part={"n": 0}, other=2), old)) == []
    assert len(said(judge.validate_update(toy(part={"n": 1}, other=1), old))) == 1


def test_list_items_have_a_past_only_by_their_keys() -> None:
    item = ruled({"rule": "self.n >= oldSelf.n", "message": "only grows"}, name={"type": "string"}, n=INT)
    by_key = {
        "type": "array",
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
    judge = strategy({"type": "object", "properties": {"items": by_key}})
    old = toy(items=[{"name": "a", "n": 2}, {"name": "b", "n": 2}])
    new = toy(items=[{"name": "b", "n": 1}, {"name": "c", "n": 0}, {"name": "a", "n": 3}])
    assert said(judge.validate_update(new, old)) == [("spec.items[0]", 'Invalid value: "object": only grows')]
    plain = strategy({"type": "object", "properties": {"items": {"type": "array", "items": item}}})
    assert said(plain.validate_update(new, old)) == []


def test_map_values_are_judged_under_their_keys() -> None:
    values = {**INT, "x-kubernetes-validations": [{"rule": "self < 5"}]}
    judge = strategy({"type": "object", "additionalProperties": values})
    assert [place for place, _ in said(judge.validate(toy(a=1, b=9)))] == ["spec[b]"]


def test_root_rule_sees_the_name() -> None:
    rules = [{"rule": "self.metadata.name.startsWith(self.spec.prefix)", "message": "prefix"}]
    judge = strategy(ruled(prefix={"type": "string"}), **{"x-kubernetes-validations": rules})
    assert said(judge.validate(toy("a-b", prefix="a"))) == []
    assert said(judge.validate(toy("a-b", prefix="x"))) == [("<nil>", 'Invalid value: "object": prefix')]


def test_rules_wait_until_the_rest_is_right() -> None:
    judge = strategy(ruled({"rule": "self.n > 1"}, n=INT))
    places = said(judge.validate(toy(n="x")))
    assert [place for place, _ in places] == ["spec.n", "<nil>"]
    assert "some validation rules were not checked" in places[1][1]


@pytest.mark.parametrize(
    ("schema", "value", "rule"),
    [
        ({"a-b": INT, "c.d": INT}, {"a-b": 1, "c.d": 2}, "self.a__dash__b < self.c__dot__d"),
        ({"namespace": INT}, {"namespace": 1}, "self.__namespace__ == 1"),
        ({"ratio": {"type": "number"}}, {"ratio": 1}, "self.ratio * 2.0 == 2.0"),
        ({"n": INT}, {"n": 2.0}, "self.n % 2 == 0"),
        ({"raw": {"type": "string", "format": "byte"}}, {"raw": "eHk="}, "size(self.raw) == 2"),
        ({"port": {"x-kubernetes-int-or-string": True}}, {"port": "80"}, "type(self.port) == string"),
        (
            {"list": {"type": "array", "items": {"type": "number"}}},
            {"list": [1, 2]},
            "self.list.sum() == 3.0",
        ),
        ({"size": {"type": "string"}}, {"size": "1Gi"}, "quantity(self.size).isGreaterThan(quantity('1M'))"),
    ],
)
def test_values_come_in_the_types_of_their_schema(schema: Obj, value: Obj, rule: str) -> None:
    assert said(strategy(ruled({"rule": rule}, **schema)).validate(toy(**value))) == []


def test_names_are_made_identifiers() -> None:
    assert [escaped(name) for name in ("a", "a-b", "a.b/c", "a__b", "for", "-")] == [
        "a",
        "a__dash__b",
        "a__dot__b__slash__c",
        "a__underscores__b",
        "__for__",
        "__dash__",
    ]


def test_schema_without_rules_costs_nothing() -> None:
    assert strategy({"type": "object", "properties": {"n": INT}})._rules() is None
