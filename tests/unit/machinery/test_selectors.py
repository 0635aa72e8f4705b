"""Label, field and node selectors."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.selectors import (
    SelectorError,
    label_selector_of,
    node_selector_of,
    parse_field_selector,
    parse_label_selector,
    selector_from_labels,
    validate_label_selector,
)

LABELS = {"app": "web", "tier": "front", "n": "5", "empty": ""}


@pytest.mark.parametrize(
    ("text", "expected", "canonical"),
    [
        ("", True, ""),
        ("app=web", True, "app=web"),
        ("app==web", True, "app==web"),
        ("app!=web", False, "app!=web"),
        ("none!=web", True, "none!=web"),
        ("app in (web, db)", True, "app in (db,web)"),
        ("app notin (web,db)", False, "app notin (db,web)"),
        ("none notin (x)", True, "none notin (x)"),
        ("app", True, "app"),
        ("!app", False, "!app"),
        ("! none", True, "!none"),
        ("tier=front,app=web", True, "app=web,tier=front"),
        ("n>4", True, "n>4"),
        ("n<4", False, "n<4"),
        ("app>4", False, "app>4"),
        ("empty=", True, "empty="),
        ("empty in ()", True, "empty in ()"),
        ("empty in (,a)", True, "empty in (,a)"),
        ("app in (in,notin,web)", True, "app in (in,notin,web)"),
        ("in", False, "in"),
        ("  app  =  web  ", True, "app=web"),
    ],
)
def test_label_query_matches_and_prints(text: str, expected: bool, canonical: str) -> None:
    selector = parse_label_selector(text)
    assert selector.matches(LABELS) is expected
    assert str(selector) == canonical
    assert parse_label_selector(canonical) == selector


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a>b", "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators"),
        ("a/b/c", 'unable to parse requirement: <nil>: Invalid value: "a/b/c": a valid label key must'),
        ("a=$", 'unable to parse requirement: values[0][a]: Invalid value: "$": a valid label must be'),
        ("a,", "found '', expected: identifier after ','"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
    ],
)
def test_bad_label_query_is_refused_in_upstreams_words(text: str, message: str) -> None:
    if not message:
        parse_label_selector(text)
        return
    with pytest.raises(SelectorError) as caught:
        parse_label_selector(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_label_selector_object_matches(selector: dict[str, Any] | None, expected: bool) -> None:
    assert label_selector_of(selector).matches(LABELS) is expected


def test_label_selector_object_with_unknown_operator_is_refused() -> None:
    with pytest.raises(SelectorError, match='"Bad" is not a valid label selector operator'):
        label_selector_of({"matchExpressions": [{"key": "a", "operator": "Bad"}]})


def test_validation_names_every_fault_of_a_selector() -> None:
    causes = validate_label_selector(
        {
            "matchLabels": {"a b": "x"},
            "matchExpressions": [
                {"key": "k", "operator": "In"},
                {"key": "k", "operator": "Exists", "values": ["v"]},
                {"key": "k", "operator": "Near"},
            ],
        },
        "spec.selector",
    )
    assert [(c.reason, c.field) for c in causes] == [
        ("FieldValueInvalid", "spec.selector.matchLabels"),
        ("FieldValueRequired", "spec.selector.matchExpressions[0].values"),
        ("FieldValueForbidden", "spec.selector.matchExpressions[1].values"),
        ("FieldValueInvalid", "spec.selector.matchExpressions[2].operator"),
    ]


def test_exact_value_is_found_for_an_index() -> None:
    assert parse_label_selector("app in (web),x").exact("app") == "web"
    assert parse_label_selector("app in (web,db)").exact("app") is None
    assert selector_from_labels({"a": "b"}).exact("a") == "b"


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        ("", {}, True),
        ("metadata.name=a", {"metadata.name": "a"}, True),
        ("metadata.name==a", {"metadata.name": "b"}, False),
        ("metadata.name!=a", {"metadata.name": "b"}, True),
        ("spec.nodeName=", {}, True),
        ("spec.nodeName!=,x=1", {"x": "1"}, False),
        (r"a=b\,c\=d\\", {"a": "b,c=d\\"}, True),
        ("a=b,", {"a": "b"}, True),
    ],
)
def test_field_selector_matches_and_prints(text: str, fields: dict[str, str], expected: bool) -> None:
    selector = parse_field_selector(text)
    assert selector.matches(fields) is expected
    assert parse_field_selector(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("x=1,a>b", "invalid selector: 'x=1,a>b'; can't understand 'a>b'"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
    ],
)
def test_bad_field_selector_is_refused(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_field_selector(text)
    assert str(caught.value) == message


def test_node_selector_terms_are_alternatives() -> None:
    node = {"metadata": {"name": "n1", "labels": {"zone": "a", "cpus": "8"}}}
    zone = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}
    big = {"matchExpressions": [{"key": "cpus", "operator": "Gt", "values": ["4"]}]}
    named = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
    assert not node_selector_of([zone]).matches(node)
    assert node_selector_of([zone, big]).matches(node)
    assert node_selector_of([named]).matches(node)
    assert not node_selector_of([{**zone, **named}]).matches(node)
    assert not node_selector_of([{}]).matches(node)
    assert not node_selector_of([]).matches(node)
