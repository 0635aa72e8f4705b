"""What is published of a version's schema: the component that its kind has in OpenAPI v3 and v2.

`published_schema(raw, envelope, is_v3=...)`: the schema as its author wrote it, with the fields that every object has in place of the
author's; nothing but `type: object` where the schema says too little (none, one that is not structural), or, in v2, too
much for kubectl, which would refuse what it does not find listed. v2 cannot say everything: junctors go, and what may be null or hold
unknown fields loses its type and what it lists.

Source: apiextensions-apiserver pkg/controller/openapi (asked in tests/oracle, area `published`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from api.apiextensions.v1.schema_words import TYPES, is_readable, nodes
from api.apiextensions.v1.structurality import unstructural

Json = dict[str, Any]

# Words that are published only when they say something, which 0 and false do for those below.
_ANYWHERE = (
    "format",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "enum",
    "maxProperties",
    "minProperties",
    "required",
    "x-kubernetes-validations",
    "type",
    "title",
    "description",
    "nullable",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
)
_STRUCTURAL = ("externalDocs", "example", "default")
_ZERO_SAYS_SOMETHING = frozenset(
    ("maximum", "minimum", "maxLength", "minLength", "maxItems", "minItems", "multipleOf", "maxProperties", "minProperties")
)  # fmt: skip
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_INT_OR_STRING: tuple[Json, ...] = ({"type": "integer"}, {"type": "string"})
_UNKNOWN = "x-kubernetes-preserve-unknown-fields"


def published_schema(
    raw: Json | None, envelope: Mapping[str, Json], *, keeps_unknown: bool, is_v3: bool
) -> Json:
    """`envelope`: apiVersion, kind and metadata as they are published. `keeps_unknown`: the definition's preserveUnknownFields."""
    if not raw or not _is_structural(raw) or (not is_v3 and (keeps_unknown or raw.get(_UNKNOWN))):
        return {"type": "object"}
    out = (_v3 if is_v3 else _v2)(raw, envelope)
    out["properties"] = {**out.get("properties", {}), **envelope}
    return out


def _is_structural(raw: Json) -> bool:
    if any(node.get("type") and node["type"] not in TYPES for node in nodes(raw)):
        return False
    return is_readable(raw) and not unstructural(raw, "")


def _said(node: Json, words: tuple[str, ...]) -> Json:
    return {
        word: node[word]
        for word in words
        if node.get(word) or (word in _ZERO_SAYS_SOMETHING and node.get(word) is not None)
    }


def _parts(node: Json, below: Callable[[Json], Json]) -> Json:
    out: Json = {}
    if isinstance(node.get("items"), dict):
        out["items"] = below(node["items"])
    if node.get("properties"):
        out["properties"] = {name: below(child) for name, child in node["properties"].items()}
    return out


def _v3(node: Json, envelope: Mapping[str, Json]) -> Json:
    out = _said(node, _ANYWHERE) | {word: node[word] for word in _STRUCTURAL if node.get(word) is not None}
    out |= _parts(node, lambda child: _v3(child, envelope))
    out |= _additional(node, lambda child: _v3(child, envelope))
    out |= _junctors(node)
    if node.get("x-kubernetes-int-or-string"):
        _unfold(out)
    return _enveloped(out, envelope)


def _additional(node: Json, below: Callable[[Json], Json]) -> Json:
    additional = node.get("additionalProperties")
    if additional is None:
        return {}
    return {"additionalProperties": below(additional) if isinstance(additional, dict) else additional}


def _junctors(node: Json) -> Json:
    out: Json = {word: [_values(each) for each in node[word]] for word in _JUNCTORS if node.get(word)}
    if node.get("not") is not None:
        out["not"] = _values(node["not"])
    return out


def _values(node: Json) -> Json:
    """A schema inside a junctor: what it says of values."""
    return _said(node, _ANYWHERE) | _parts(node, _values) | _junctors(node)


def _unfold(out: Json) -> None:
    """Says "an integer or a string" in words that readers know who do not know the extension, unless the author did."""
    either = [dict(each) for each in _INT_OR_STRING]
    any_of, all_of = out.get("anyOf"), out.get("allOf") or []
    if any_of == either or (all_of and all_of[0] == {"anyOf": either}):
        return
    if any_of is None:
        out["anyOf"] = either
    else:
        out["allOf"] = [{"anyOf": either}, *all_of]


def _v2(node: Json, envelope: Mapping[str, Json]) -> Json:
    """Who reads v2 cannot tell null, nor fields that nobody listed: where they may be, nothing is listed."""
    out = _said(node, _ANYWHERE) | {
        word: node[word] for word in _STRUCTURAL[:2] if node.get(word) is not None
    }
    is_null, is_open = out.pop("nullable", False), out.get(_UNKNOWN, False)
    if not (is_null or is_open):
        out |= _parts(node, lambda child: _v2(child, envelope))
    kind = out.get("type")
    if is_null or (is_open and kind == "object") or (kind == "array" and "items" not in out):
        out.pop("type", None)
    out |= _additional(node, lambda child: _v2(child, envelope))
    if "required" in out:
        listed = (node.get("properties") or {}) if "properties" in out else {}
        additional = node.get("additionalProperties")
        nothing = isinstance(additional, dict) and additional.get("nullable")
        out["required"] = [
            name for name in out["required"] if not nothing and not (listed.get(name) or {}).get("nullable")
        ]
        if not out["required"]:
            del out["required"]
    return out if is_open else _enveloped(out, envelope)


def _enveloped(out: Json, envelope: Mapping[str, Json]) -> Json:
    """An object within the object has what every object has."""
    if out.get("x-kubernetes-embedded-resource"):
        out["properties"] = {**out.get("properties", {}), **envelope}
        required = out.get("required") or []
        out["required"] = [*required, *(word for word in ("kind", "apiVersion") if word not in required)]
    return out
