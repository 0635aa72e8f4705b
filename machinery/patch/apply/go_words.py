"""Values as upstream's messages print them: Go's %v, %#v and %T of a decoded JSON value."""

from __future__ import annotations

import json
from typing import Any


def go_text(value: Any) -> str:
    """A value in its wrapper: `&{[a b]}`."""
    return f"&{{{_plain(value)}}}"


def _plain(value: Any) -> str:
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case dict():
            return "map[" + " ".join(f"{key}:{_plain(value[key])}" for key in sorted(value)) + "]"
        case list():
            return "[" + " ".join(map(_plain, value)) + "]"
    return str(value)


def go_literal(value: Any) -> str:
    match value:
        case None:
            return "interface {}(nil)"
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case dict():
            inner = ", ".join(f"{json.dumps(key)}:{go_literal(value[key])}" for key in sorted(value))
            return f"map[string]interface {{}}{{{inner}}}"
        case list():
            return "[]interface {}{" + ", ".join(map(go_literal, value)) + "}"
    return str(value)


def go_type(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int64"
        case float():
            return "float64"
        case str():
            return "string"
        case dict():
            return "map[string]interface {}"
    return "[]interface {}"
