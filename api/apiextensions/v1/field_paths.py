"""Paths to declared fields, as rules' fieldPath and selectableFields name them: `.spec.a`, `['a-b'].c`.

    declared(".spec.a", schema)     the steps and the field's schema; PathError where it leads nowhere

Source: apiextensions-apiserver pkg/apiserver/schema/cel/validation.go, ValidFieldPath.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

Json = dict[str, Any]

_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]']+|'")
_UNESCAPED = re.compile(r"\\(.)")


class PathError(ValueError):
    """The path is none, or leads to nothing that the schema declares."""


class Declared(NamedTuple):
    path: str
    schema: Json


def declared(text: str, schema: Json, *, with_brackets: bool = True) -> Declared:
    """Raises PathError."""
    tokens, shown = iter(_TOKEN.findall(text)), ""
    for token in tokens:
        if token == "[":
            if not with_brackets:
                raise PathError("array notation is not allowed")
            name = _quoted(next(tokens, None))
            shown, schema = _below(shown, name, schema)
            if (end := next(tokens, None)) != "]":
                raise PathError(f"expected ] but got {end}" if end else "unexpected end of JSON path")
        elif token == ".":
            name = next(tokens, "")
            if not name:
                raise PathError("unexpected end of JSON path")
            shown, schema = _below(shown, name, schema)
        else:
            raise PathError(f"expected [ or . but got: {token}")
    return Declared(shown, schema)


def _below(shown: str, name: str, schema: Json) -> tuple[str, Json]:
    properties, additional = schema.get("properties"), schema.get("additionalProperties")
    if properties:
        child = properties.get(name)
        shown = f"{shown}.{name}" if shown else name
    else:
        child = additional
        shown = f"{shown}[{name}]"
    if not isinstance(child, dict):
        raise PathError("does not refer to a valid field")
    return shown, child


def _quoted(token: str | None) -> str:
    if token is None:
        raise PathError("unexpected end of JSON path")
    if len(token) < 2 or token[0] != "'" or token[-1] != "'":
        raise PathError(f"expected single quoted string but got {token}")
    return _UNESCAPED.sub(r"\1", token[1:-1])
