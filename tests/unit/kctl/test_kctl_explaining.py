"""Texts about kinds and fields, from a small OpenAPI document."""

from __future__ import annotations

import pytest

from kctl.explaining import Document, explain, wrap
from kctl.failure import Failure
from machinery.gvk import GVR

WIDGETS = GVR("example.com", "v1", "widgets", True, "Widget")
REF = "#/components/schemas/com.example"
DOCUMENT = Document(
    {
        "components": {
            "schemas": {
                "com.example.Widget": {
                    "description": "A widget.",
                    "type": "object",
                    "required": ["spec"],
                    "properties": {
                        "spec": {"allOf": [{"$ref": f"{REF}.Spec"}], "description": "What is wanted."},
                        "made": {"$ref": f"{REF}.Time"},
                    },
                    "x-kubernetes-group-version-kind": [
                        {"group": "example.com", "version": "v1", "kind": "Widget"}
                    ],
                },
                "com.example.Spec": {
                    "description": "Wishes.",
                    "type": "object",
                    "properties": {
                        "colour": {"type": "string", "enum": ["a", "b", "c", "d", "e"]},
                        "parts": {"type": "array", "items": {"$ref": f"{REF}.Spec"}},
                        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                        "size": {"type": "integer", "description": "How big."},
                    },
                },
                "com.example.Time": {"type": "string", "description": "A time."},
            }
        }
    }
)


def _explained(*path: str, recursive: bool = False) -> str:
    return explain(WIDGETS, DOCUMENT, path, recursive=recursive)


def test_kind_shows_its_description_and_fields() -> None:
    assert _explained() == (
        "GROUP:      example.com\nKIND:       Widget\nVERSION:    v1\n\nDESCRIPTION:\n    A widget.\n    \nFIELDS:\n"
        "  made\t<string>\n    <no description>\n\n  spec\t<Spec> -required-\n    What is wanted.\n\n\n"
    )


def test_field_shows_its_type_and_what_it_holds() -> None:
    text = _explained("spec")
    assert "\nFIELD: spec <Spec>\n\n\nDESCRIPTION:\n    What is wanted.\n    Wishes.\n    \nFIELDS:\n" in text
    assert "  colour\t<string>\n  enum: a, b, c, d, ....\n    <no description>\n" in text
    assert "  labels\t<map[string]string>\n" in text
    assert "  parts\t<[]Spec>\n" in text


def test_recursion_stops_at_a_kind_within_itself() -> None:
    lines = _explained(recursive=True).splitlines()
    fields = lines[lines.index("FIELDS:") + 1 :]
    assert fields[:4] == [
        "  made\t<string>",
        "  spec\t<Spec> -required-",
        "    colour\t<string>",
        "    enum: a, b, c, d, ....",
    ]
    assert sum("parts" in line for line in fields) == 1


def test_enum_of_a_field_is_listed_whole() -> None:
    assert "FIELD: colour <string>\nENUM:\n    a\n    b\n    c\n    d\n    e\n\n" in _explained(
        "spec", "colour"
    )


def test_fields_are_found_through_lists() -> None:
    assert "FIELD: size <integer>" in _explained("spec", "parts", "parts", "size")


def test_unknown_field_suggests_the_right_one() -> None:
    with pytest.raises(Failure, match=r'field "colur" does not exist\. Did you mean colour\?'):
        _explained("spec", "colur")


def test_kind_that_is_not_described_is_refused() -> None:
    with pytest.raises(Failure, match="not found in OpenAPI schema"):
        explain(GVR("", "v1", "pods", True, "Pod"), DOCUMENT, (), recursive=False)


def test_lines_break_at_spaces_only() -> None:
    assert wrap("one two three\nfour", 7) == ["one two", "three", "four"]
    assert wrap("a-very-long-word b", 5) == ["a-very-long-word", "b"]
