"""Objects as a Table (what `kubectl get` prints) and as metadata only. Columns come from the Resource.

Source: Kubernetes API concepts, "Receiving resources as Tables"; metav1.Table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from api.resource import Column, Obj
from apiserver.engine.query import Query
from apiserver.http.negotiation import Accepted
from machinery import jsonpath
from machinery.clock import parse_rfc3339
from machinery.durations import human_duration
from machinery.errors import BadRequest
from machinery.field_errors import quote

Cell = Callable[[Obj, float], Any]

NAME_DESCRIPTION = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow "
    "a client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)


def definitions(columns: Iterable[Column]) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format or ("name" if column.name == "Name" else ""),
            "description": column.description or (NAME_DESCRIPTION if column.name == "Name" else ""),
            "priority": column.priority,
        }
        for column in columns
    ]


@lru_cache(maxsize=4096)
def cell_of(column: Column) -> Cell:
    """The function that computes a column's cell."""
    path = column.path
    if callable(path):
        return path
    compiled = jsonpath.compile(path)
    if column.type == "date":

        def age(obj: Obj, now: float) -> Any:
            found = [value for value in compiled.values(obj) if value is not None]
            if not found or not isinstance(found[0], str):
                return "<unknown>"
            try:
                return human_duration(now - parse_rfc3339(found[0]))
            except ValueError:
                return "<invalid>"

        return age

    whole = column.type in ("integer", "number", "boolean")

    def plain(obj: Obj, now: float) -> Any:
        found = [value for value in compiled.values(obj) if value is not None]
        if not found:
            return None if whole or column.name != "Name" else ""
        if len(found) == 1 and (whole or not isinstance(found[0], (dict, list))):
            value = found[0]
            if isinstance(value, bool) and not whole:
                return "true" if value else "false"
            return value if whole else str(value)
        return ",".join(_text(value) for value in found)

    return plain


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        import orjson

        return orjson.dumps(value).decode()
    return str(value)


def included(query: Query, shape: Accepted) -> str:
    """What of each object a table's rows carry. Raises BadRequest."""
    include = query.get("includeObject") or "Metadata"
    if shape.shape == "Table" and include not in ("Metadata", "Object", "None"):
        raise BadRequest(
            f"Unable to convert to Table as requested: includeObject: Invalid value: {quote(include)}: "
            "must be 'Metadata', 'Object', 'None', or empty"
        )
    return include


def table_of(
    columns: Sequence[Column],
    objects: Iterable[Obj],
    now: float,
    version: str,
    include: str,
    metadata: dict[str, Any],
    *,
    headers: bool = True,
) -> dict[str, Any]:
    """`include`: Metadata (default), Object or None, as the client's includeObject says."""
    cells = [cell_of(column) for column in columns]
    rows = []
    for obj in objects:
        named = "name" in (obj.get("metadata") or {})  # a bookmark is not
        row: dict[str, Any] = {"cells": [cell(obj, now) for cell in cells] if named else _blank(cells)}
        if include == "Object":
            row["object"] = obj
        else:
            row["object"] = None if include == "None" else partial_of(obj, version)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": definitions(columns) if headers else None,
        "rows": rows,
    }


def _blank(cells: list[Cell]) -> list[Any]:
    return ["", *[None] * (len(cells) - 1)]


def partial_of(obj: Obj, version: str) -> dict[str, Any]:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj.get("metadata") or {},
    }


def partial_list(objects: Iterable[Obj], version: str, metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "items": [partial_of(obj, version) for obj in objects],
    }
