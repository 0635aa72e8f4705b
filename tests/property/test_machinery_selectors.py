"""Selectors against an oracle that is too plain to be wrong, and texts that may be none."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from machinery.selectors import parse_field_selector, parse_label_selector
from machinery.selectors.fields import escape
from machinery.selectors.labels import SelectorError, label_selector_of

keys = st.sampled_from(["a", "b", "x.y/z"])
values = st.sampled_from(["", "1", "2", "-3", "007", "word", "9223372036854775808"])
labels = st.dictionaries(keys, values, max_size=3)
terms = st.tuples(
    keys,
    st.sampled_from(["=", "==", "!=", "in", "notin", "exists", "!", ">", "<"]),
    st.lists(values, min_size=1, max_size=3),
)


def text_of(term: tuple[str, str, list[str]]) -> str:
    key, operator, given_values = term
    match operator:
        case "exists":
            return key
        case "!":
            return "!" + key
        case "in" | "notin":
            return f"{key} {operator} ({', '.join(given_values)})"
    return f"{key}{operator}{given_values[0]}"


def holds(term: tuple[str, str, list[str]], found: dict[str, str]) -> bool:
    key, operator, given_values = term
    match operator:
        case "exists":
            return key in found
        case "!":
            return key not in found
        case "=" | "==":
            return found.get(key) == given_values[0]
        case "!=":
            return found.get(key) != given_values[0]
        case "in":
            return key in found and found[key] in given_values
        case "notin":
            return found.get(key) not in given_values
    if key not in found or not is_int64(found[key]):
        return False
    left, right = int(found[key]), int(given_values[0])
    return left > right if operator == ">" else left < right


def is_wrong(term: tuple[str, str, list[str]]) -> bool:
    """A value that no label can have, or that is no number where one is compared."""
    _, operator, said = term
    if operator in ("exists", "!"):
        return False
    used = said if operator in ("in", "notin") else said[:1]
    return any(value.startswith("-") or (operator in "<>" and not is_int64(value)) for value in used)


def is_int64(text: str) -> bool:
    return text.lstrip("-").isdigit() and -(2**63) <= int(text) < 2**63


@settings(max_examples=400)
@given(st.lists(terms, max_size=4), labels)
def test_label_selector_means_what_each_of_its_terms_means(
    parts: list[tuple[str, str, list[str]]], found: dict[str, str]
) -> None:
    text = ",".join(map(text_of, parts))
    wrong = [part for part in parts if is_wrong(part)]
    try:
        selector = parse_label_selector(text)
    except SelectorError:
        assert wrong, text
        return
    assert not wrong, text
    assert selector.matches(found) == all(holds(part, found) for part in parts)


@given(labels, labels)
def test_selector_object_of_labels_holds_where_they_are_all_there(
    wanted: dict[str, str], found: dict[str, str]
) -> None:
    assert label_selector_of({"matchLabels": wanted}).matches(found) == (wanted.items() <= found.items())


@settings(max_examples=300)
@given(st.text("ab=!,()<> in\t²٣\0é", max_size=25))
def test_any_text_is_a_selector_that_reads_back_or_an_error(text: str) -> None:
    try:
        selector = parse_label_selector(text)
    except SelectorError:
        return
    assert parse_label_selector(str(selector)) == selector


field_terms = st.tuples(
    st.sampled_from(["metadata.name", "spec.x"]), st.sampled_from(["=", "==", "!="]), st.text(max_size=5)
)


@given(
    st.lists(field_terms, max_size=3),
    st.dictionaries(st.sampled_from(["metadata.name", "spec.x"]), st.text(max_size=2)),
)
def test_field_selector_means_what_each_of_its_terms_means(
    parts: list[tuple[str, str, str]], found: dict[str, str]
) -> None:
    selector = parse_field_selector(
        ",".join(f"{key}{operator}{escape(value)}" for key, operator, value in parts)
    )
    each = [(found.get(key, "") == value) == (operator != "!=") for key, operator, value in parts]
    assert selector.matches(found) == all(each)


@given(st.text("ab=!,\\. é\0", max_size=20))
def test_any_text_is_a_field_selector_that_reads_back_or_an_error(text: str) -> None:
    try:
        selector = parse_field_selector(text)
    except SelectorError:
        return
    assert sorted(parse_field_selector(str(selector)).requirements) == sorted(selector.requirements)
