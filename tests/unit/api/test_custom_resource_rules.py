"""Rules in CEL on custom resources: transitions, ratcheting, messages, places."""

from __future__ import annotations

from typing import Any

import pytest

from api.apiextensions.v1 import rules
from api.apiextensions.v1.cel_values import escaped
from api.apiextensions.v1.customresource import CustomStrategy
from api.apiextensions.v1.definition import validate_schema
from api.apiextensions.v1.structural import root_schema
from api.validation.errors import Errors

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
    wrong = [("spec", "Invalid value: min must not exceed max")]
    assert said(judge.validate(toy(min=3, max=2))) == wrong
    (missing,) = said(judge.validate(toy(min=3)))
    assert missing[1].endswith("no such key: max evaluating rule: min must not exceed max")


def test_rule_without_message_is_its_own() -> None:
    judge = strategy(ruled({"rule": " self.n > 1 "}, n=INT))
    assert said(judge.validate(toy(n=1))) == [("spec", "Invalid value: failed rule: self.n > 1")]


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
    assert said(shrunk) == [("spec", "Invalid value: 1: only grows")]
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
    assert said(judge.validate_update(new, old)) == [("spec.items[0]", "Invalid value: only grows")]
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
    assert said(judge.validate(toy("a-b", prefix="x"))) == [("<nil>", "Invalid value: prefix")]


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


LIST = {"type": "array", "items": {"type": "string"}}
ROUTE = {
    "type": "object",
    "properties": {
        "path": {"type": "object", "properties": {"type": {"type": "string"}, "value": {"type": "string"}}},
        "filters": {
            "type": "array",
            "maxItems": 16,
            "items": {
                "type": "object",
                "properties": {"type": {"type": "string"}, "weight": {"type": "integer"}},
            },
        },
        "group": {"type": "string"},
        "port": {"type": "integer", "nullable": True},
        "timeout": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "any": {"x-kubernetes-int-or-string": True},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "namespace": {"type": "string"},
        "a-b": {"type": "integer"},
    },
}


def wrong_rules(node: Obj, **root: Any) -> list[tuple[str, str]]:
    errors = Errors()
    raw = {"type": "object", "properties": {"spec": node}, **root}
    validate_schema(errors, raw, "")
    return said(errors.causes)


@pytest.mark.parametrize(
    "rule",
    [
        "self.path.type == 'Exact' ? self.path.value.startsWith('/') : true",
        "!has(self.group) || self.group.matches('^[a-z]+$') && self.group.size() < 9",
        "self.filters.all(f, f.type == 'A' || f.weight > 1)",
        "self.filters.exists_one(f, f.type == 'A') && self.filters.filter(f, f.weight == 0).size() <= 1",
        "self.filters.all(a, self.filters.exists_one(b, a.type == b.type && a.weight == b.weight))",
        "self.filters.map(f, f.weight).sum() <= 128",
        "has(self.port) && self.port > 0 && self.port in [80, 443]",
        "duration(self.timeout) > duration('1s')",
        "self.labels.all(k, self.labels[k] != '' && k.size() > 1) && 'a' in self.labels",
        "type(self.any) == int ? self.any < 5 : self.any.endsWith('%')",
        "self.free == oldSelf.free && self.filters == oldSelf.filters && self == oldSelf",
        "self.__namespace__ != 'x' && self.a__dash__b > 1",
        "int(self.group) > 1 && string(self.a__dash__b) == '1'",
        "self.?group.orValue('') == ''",
        "(has(self.path) ? 1 : 0) + (has(self.group) ? 1 : 0) == 1",
        "self.filters.isSorted() || sets.contains(self.filters.map(f, f.type), ['x'])",
        "quantity(self.group).isLessThan(quantity('1Gi')) && isURL(self.path.value)",
    ],
)
def test_rules_as_people_write_them_are_accepted(rule: str) -> None:
    assert wrong_rules({**ROUTE, "x-kubernetes-validations": [{"rule": rule}]}) == []


@pytest.mark.parametrize(
    ("node", "rule", "message"),
    [
        (ROUTE, {"rule": "self.z == 100"}, "undefined field 'z'"),
        (
            ROUTE,
            {"rule": "self.group > 1"},
            "found no matching overload for '_>_' applied to '(string, int)'",
        ),
        (ROUTE, {"rule": "true", "fieldPath": ".path.nope"}, "must be a valid path"),
        (ROUTE, {"rule": "true", "message": " "}, "must be non-empty if specified"),
        (
            {"type": "array", "items": LIST},
            {"rule": "self.all(a, self.all(b, a.all(x, b.all(y, x == y))))"},
            "estimated rule cost exceeds budget by factor of more than 100x",
        ),
    ],
)
def test_rule_that_cannot_work_is_refused_with_the_definition(node: Obj, rule: Obj, message: str) -> None:
    (found,) = wrong_rules({**node, "x-kubernetes-validations": [rule]})
    assert message in found[1]


def test_a_bound_on_the_list_makes_a_rule_cheap_enough() -> None:
    rule = {"rule": "self.all(a, self.all(b, a == b))"}
    assert wrong_rules({**LIST, "x-kubernetes-validations": [rule]})
    assert wrong_rules({**LIST, "maxItems": 100, "x-kubernetes-validations": [rule]}) == []


def test_items_without_a_past_have_no_old_self() -> None:
    item = {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}
    ((path, message),) = wrong_rules({"type": "array", "items": item})
    assert path.endswith("x-kubernetes-validations[0].rule")
    assert "oldSelf cannot be used on the uncorrelatable portion of the schema within" in message
    assert wrong_rules({"type": "object", "additionalProperties": item}) == []


def test_rules_on_very_many_items_end_at_their_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules.Budget.__init__, "__defaults__", (10,))
    item = {"type": "string", "x-kubernetes-validations": [{"rule": "self != ''"}]}
    judge = strategy({"type": "object", "properties": {"l": {"type": "array", "items": item}}})
    assert said(judge.validate(toy(l=["x"] * 10))) == []
    ((path, message),) = said(judge.validate(toy(l=["x"] * 30)))
    assert path == "spec.l[10]" and message.endswith(rules.OUT_OF_BUDGET)
