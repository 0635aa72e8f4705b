"""Text that is read back: YAML, selectors, JSONPath."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from machinery.codec import yaml_
from machinery.durations import format_duration, parse_duration
from machinery.jsonpath import compile
from machinery.selectors import LabelSelector, Requirement, parse_field_selector, parse_label_selector
from machinery.selectors.fields import FieldRequirement, FieldSelector

keys = st.from_regex(r"\A[a-z]([-a-z0-9]{0,5}[a-z0-9])?(/[A-Z]{1,3})?\Z")
values = st.from_regex(r"\A([A-Za-z0-9]([-A-Za-z0-9_.]{0,5}[A-Za-z0-9])?)?\Z")
requirements = st.one_of(
    st.builds(lambda k, o: Requirement(k, o), keys, st.sampled_from(["exists", "!"])),
    st.builds(lambda k, o, v: Requirement(k, o, (v,)), keys, st.sampled_from(["=", "==", "!="]), values),
    st.builds(
        lambda k, o, v: Requirement(k, o, tuple(sorted(v))),
        keys,
        st.sampled_from(["in", "notin"]),
        st.sets(values, min_size=1, max_size=3),
    ),
)
text = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t #:-'\"{}")
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=15,
)


@given(json_values)
def test_yaml_reads_back_what_it_writes(value: Any) -> None:
    assert yaml_.load(yaml_.dump(value)) == value


@given(st.text(max_size=60) | st.text("[]{}:,-&*!|>'\"%@ \n\tab1", max_size=60))
def test_yaml_of_any_text_is_a_value_or_an_error(source: str) -> None:
    try:
        for document in yaml_.load_documents(source):
            yaml_.dump(document.value)
    except yaml_.YamlError:
        pass


@given(st.lists(requirements, max_size=4), st.dictionaries(keys, values, max_size=3))
def test_label_selector_reads_back_and_means_the_same(
    parts: list[Requirement], labels: dict[str, str]
) -> None:
    selector = LabelSelector(parts)
    again = parse_label_selector(str(selector))
    assert again == selector
    assert again.matches(labels) == selector.matches(labels)


@given(st.lists(st.tuples(keys, st.sampled_from(["=", "!="]), st.text(max_size=6)), max_size=3))
def test_field_selector_reads_back(parts: list[tuple[str, str, str]]) -> None:
    selector = FieldSelector(FieldRequirement(*part) for part in parts)
    again = parse_field_selector(str(selector))
    assert sorted(again.requirements) == sorted(selector.requirements)


@given(st.dictionaries(st.text(min_size=1, max_size=6), st.integers(), min_size=1, max_size=3))
def test_jsonpath_finds_any_key_by_its_escaped_name(obj: dict[str, int]) -> None:
    for key, value in obj.items():
        quoted = key.replace("\\", "\\\\").replace("'", "\\'")
        assert compile("{['" + quoted + "']}").values(obj) == [value]


@given(st.integers(0, 10**15))
def test_durations_read_back(nanos: int) -> None:
    assert round(parse_duration(format_duration(nanos / 1e9)) * 1e9) == round(nanos / 1e9 * 1e9)
