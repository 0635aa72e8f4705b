"""Custom resources' values as CEL sees them, by their schema.

    converter(schema)      a function from a value to what expressions see; None where that is the value itself
    seen_schema(schema)    the types that expressions see, for checking them when the definition is written
    escaped("a-b")         the identifier by which expressions reach a property: a__dash__b

Source: Kubernetes "CustomResourceDefinitions: Validation rules", Escaping and the type mapping.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

from machinery.names import CEL_RESERVED_WORDS
from machinery.schema import Kind, Schema

Json = dict[str, Any]
Convert = Callable[[Any], Any]
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


def converter(schema: Json) -> Convert | None:
    """Makes of a value what expressions see: names that are identifiers, numbers of the schema's type, bytes.
    None where that is the value itself."""
    match schema.get("type"):
        case "number":
            return lambda value: float(value) if type(value) is int else value
        case "integer" if not schema.get("x-kubernetes-int-or-string"):
            return lambda value: int(value) if type(value) is float else value
        case "string" if schema.get("format") == "byte":
            return _decoded
        case "array" if isinstance(schema.get("items"), dict):
            inner = converter(schema["items"])
            return None if inner is None else lambda value: _each(value, inner)
        case "object":
            return _object_converter(schema)
    return None


def _object_converter(schema: Json) -> Convert | None:
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        inner = converter(additional)
        if inner is None:
            return None
        return lambda value: {k: inner(v) for k, v in value.items()} if isinstance(value, dict) else value
    properties = schema.get("properties") or {}
    names = {name: escaped(name) for name in properties}
    below = {name: made for name, child in properties.items() if (made := converter(child)) is not None}
    if not below and all(name == shown for name, shown in names.items()):
        return None

    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        out = {}
        for name, item in value.items():
            inner = below.get(name)
            out[names.get(name) or name] = inner(item) if inner is not None and item is not None else item
        return out

    return convert


def _each(value: Any, inner: Convert) -> Any:
    if not isinstance(value, list):
        return value
    return [item if item is None else inner(item) for item in value]


def _decoded(value: Any) -> Any:
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, TypeError, binascii.Error):
        return value


def escaped(name: str) -> str:
    """The identifier by which expressions reach a property: `a-b` is `a__dash__b`, `namespace` is `__namespace__`."""
    if name in CEL_RESERVED_WORDS:
        return f"__{name}__"
    out = "".join(_escapes(name))
    return out if _IDENTIFIER.fullmatch(out) else name


def _escapes(name: str) -> Iterator[str]:
    position = 0
    while position < len(name):
        if name.startswith("__", position):
            yield "__underscores__"
            position += 2
            continue
        here = name[position]
        yield {"-": "__dash__", ".": "__dot__", "/": "__slash__"}.get(here, here)
        position += 1


_KINDS: dict[str, Kind] = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
}


def seen_schema(node: Json, *, root: bool = False) -> Schema:
    """Names are escaped; what is kept without being declared cannot be reached, and an object that declares nothing
    may be anything."""
    kind = node.get("type")
    bounds: Json = {k: node[k] for k in ("maxItems", "maxProperties") if k in node}
    if node.get("x-kubernetes-int-or-string") or node.get("nullable"):
        return Schema("any")
    if kind == "array" and isinstance(node.get("items"), dict):
        return Schema("list", items=seen_schema(node["items"]), rules=bounds)
    if kind == "object":
        additional = node.get("additionalProperties")
        if additional is not None:
            values = seen_schema(additional) if isinstance(additional, dict) else Schema("any")
            return Schema("map", values=values, rules=bounds)
        fields = {escaped(name): seen_schema(child) for name, child in (node.get("properties") or {}).items()}
        if root or node.get("x-kubernetes-embedded-resource"):
            names = {"name": Schema("string"), "generateName": Schema("string")}
            fields |= {"apiVersion": Schema("string"), "kind": Schema("string")}
            fields["metadata"] = Schema("object", fields=names)
        return Schema("object", fields=fields) if fields else Schema("any")
    return Schema(_KINDS.get(str(kind), "any"), format=node.get("format") or "")
