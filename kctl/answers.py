"""What came from a server as an object that a verb can read; whatever else came ends with a message.

Only the outline is checked, which every verb relies on: an object, its metadata, a list's items, a Table's rows.
"""

from __future__ import annotations

import json
from typing import Any

Obj = dict[str, Any]


class Strange(Exception):
    """The answer is none of a Kubernetes API server; str() says why."""


def decode(text: bytes) -> Obj:
    """Raises Strange."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Strange(f"no JSON: {text[:60]!r}" if text else "nothing") from None
    if not isinstance(value, dict):
        raise Strange(f"no object: {text[:60]!r}")
    _check_object(value)
    items = value.get("items")
    if str(value.get("kind", "")).endswith("List") and items is not None:
        for item in _objects(items, "items"):
            _check_object(item)
    if value.get("kind") == "Table":
        _check_table(value)
    return value


def _check_object(value: Obj) -> None:
    for key in ("kind", "apiVersion"):
        if not isinstance(value.get(key, ""), str):
            raise Strange(f"its {key} is no text")
    if not isinstance(value.get("metadata") or {}, dict):
        raise Strange("its metadata is no object")


def _objects(value: Any, what: str) -> list[Obj]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Strange(f"its {what} are no list of objects")
    return value


def _check_table(table: Obj) -> None:
    columns = _objects(table.get("columnDefinitions") or [], "columnDefinitions")
    if not all(isinstance(column.get("name"), str) for column in columns):
        raise Strange("a column has no name")
    for row in _objects(table.get("rows") or [], "rows"):
        if not isinstance(row.get("cells"), list):
            raise Strange("a row has no cells")
        _check_object(row.get("object") or {})
