"""Texts and patches that are small to send and large to read: numbers, patterns, nesting, documents."""

from __future__ import annotations

import time
from typing import Any

import pytest

from machinery import integers, jsonpath, patterns
from machinery.codec import json_, protobuf, yaml_
from machinery.errors import MAX_CAUSES, Cause, invalid
from machinery.patch import PatchError, json_patch
from machinery.schema import Schema
from machinery.selectors import parse_label_selector
from machinery.selectors.labels import SelectorError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-5", -5),
        ("+7", 7),
        ("0" * 5000 + "1", 1),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("9" * 5000, None),
        ("", None),
        ("1_0", None),
        (" 1", None),
        ("²", None),
        ("٣", None),
        ("1.0", None),
    ],
)
def test_whole_number_is_ascii_digits_within_bounds(text: str, number: int | None) -> None:
    assert integers.parse(text) == number


def test_pattern_that_backtracks_for_ever_in_python_is_linear() -> None:
    before = time.process_time()
    assert not patterns.finds("^(a+)+$", "a" * 50_000 + "!")
    assert time.process_time() - before < 2


@pytest.mark.parametrize("pattern", ["(", "(?=a)b", r"(a)\1", "((a{1,100}){1,100}){1,100}", "a" * 200_000])
def test_pattern_that_kubernetes_does_not_know_is_refused(pattern: str) -> None:
    with pytest.raises(patterns.PatternError, match="error parsing regexp"):
        patterns.check(pattern)


def test_pattern_counts_characters_not_bytes() -> None:
    assert patterns.finds("^é.$", "éü") and not patterns.finds("^.$", "éü")


@pytest.mark.parametrize("text", ["9" * 5000, "0x_", "0b_", "0o_", "-0x_", "0x" + "f" * 9000])
def test_yaml_number_that_is_none_is_text(text: str) -> None:
    assert yaml_.load(f"a: {text}") == {"a": text}


def test_yaml_of_very_many_documents_is_refused_at_the_second() -> None:
    before = time.process_time()
    with pytest.raises(yaml_.YamlError, match="expected a single document"):
        yaml_.load("---\n" * 500_000)
    assert time.process_time() - before < 1


def test_yaml_with_a_bound_of_ones_own_is_refused_past_it() -> None:
    assert yaml_.load("[a, b]", max_nodes=3) == ["a", "b"]
    with pytest.raises(yaml_.YamlError, match="excessive aliasing or content"):
        yaml_.load("[a, b, c]", max_nodes=3)


def test_values_are_counted_at_every_level() -> None:
    value: Any = {"a": [1, {"b": 2}]}  # the whole, a, 1, the object, b
    assert json_.is_larger(value, 4) and not json_.is_larger(value, 5)


def wrapping(levels: int) -> list[dict[str, Any]]:
    """Each three operations put what stands at /a one level deeper."""
    operations: list[dict[str, Any]] = [{"op": "add", "path": "/a", "value": {}}]
    for _ in range(levels):
        operations += [
            {"op": "move", "from": "/a", "path": "/b"},
            {"op": "add", "path": "/a", "value": {}},
            {"op": "move", "from": "/b", "path": "/a/b"},
        ]
    return operations


def test_json_patch_that_nests_ever_deeper_is_refused() -> None:
    assert json_patch.apply({}, wrapping(100))
    with pytest.raises(PatchError, match="nested deeper than 200 levels"):
        json_patch.apply({}, wrapping(3000))


def test_json_patch_that_copies_what_is_nested_deep_is_refused() -> None:
    copies = [{"op": "copy", "from": "/a", "path": "/c"}]
    with pytest.raises(PatchError, match="more than 200 levels at /a"):
        json_patch.apply({}, wrapping(1000) + copies)


def test_json_patch_that_removes_the_document_is_refused() -> None:
    with pytest.raises(PatchError, match="nothing of the document is left"):
        json_patch.apply({"a": 1}, [{"op": "remove", "path": ""}])
    replaced = [{"op": "remove", "path": ""}, {"op": "add", "path": "", "value": {"b": 2}}]
    assert json_patch.apply({"a": 1}, replaced) == {"b": 2}


def message(number: int, data: bytes) -> bytes:
    length, out = len(data), bytearray([number << 3 | 2])
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    return bytes([*out, length]) + data


def test_protobuf_holding_json_that_is_nested_deep_is_refused() -> None:
    schema = Schema("object", fields={"data": Schema("any", format="raw-extension", proto=1)})

    def body(levels: int) -> bytes:
        text = b'{"a":' * levels + b"1" + b"}" * levels
        return b"k8s\0" + message(2, message(1, message(1, text)))

    assert protobuf.decode(body(150), schema)["data"]
    with pytest.raises(protobuf.ProtobufError, match="nested deeper than 200"):
        protobuf.decode(body(900), schema)


@pytest.mark.parametrize(
    "path", [".a[" + "9" * 5000 + "]", ".a[-1:" + "9" * 5000 + "]", ".a[?(@.b==" + "9" * 5000 + ")]"]
)
def test_jsonpath_with_a_number_beyond_all_lists_is_refused(path: str) -> None:
    with pytest.raises(jsonpath.JSONPathError, match="out of range"):
        jsonpath.compile(path)


def test_label_selector_by_a_number_of_5000_digits_is_refused() -> None:
    with pytest.raises(SelectorError, match="must be an integer"):
        parse_label_selector("a>" + "9" * 5000)


def test_invalid_tells_the_first_thousand_causes() -> None:
    error = invalid("", "Pod", "x", [Cause("FieldValueInvalid", "wrong", f"f{i}") for i in range(5000)])
    assert len(error.causes) == MAX_CAUSES == 1000
    assert len(error.message) < 100_000


@pytest.mark.parametrize(
    "text", ["a: 1\nb: .nan\n", "a: 1\nb: \x01\n", b"a: 1\nb: \xff\n", b"a: 1\nb: \x01\n"]
)
def test_yaml_value_that_json_cannot_hold_is_told_with_its_line(text: str | bytes) -> None:
    with pytest.raises(yaml_.YamlError, match="yaml: line 2: "):
        yaml_.load(text)
