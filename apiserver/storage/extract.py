"""What selection needs of an object, taken out once when it is written: its labels and selectable fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Obj = dict[str, Any]
Extract = Callable[[Obj], tuple[Mapping[str, str], Mapping[str, str]]]
_NONE: Mapping[str, str] = {}


def extractor(selectable_fields: Mapping[str, str], *, namespaced: bool) -> Extract:
    """`selectable_fields`: field label → where its value is, as in `Resource.selectable_fields`.

    An absent field counts as what its path says of it, or as "" (as upstream's field sets do), a bool as true/false.
    """
    paths = [(label, *_parsed(path)) for label, path in selectable_fields.items()]

    def extract(obj: Obj) -> tuple[Mapping[str, str], Mapping[str, str]]:
        metadata = obj["metadata"]
        fields = {"metadata.name": metadata.get("name", "")}
        if namespaced:
            fields["metadata.namespace"] = metadata.get("namespace", "")
        for label, first, others, absent in paths:
            fields[label] = _text(obj, first) or _first(obj, others) or absent
        labels = metadata.get("labels")
        return (dict(labels) if labels else _NONE), fields

    return extract


def _parsed(path: str) -> tuple[list[str], list[list[str]], str]:
    """The steps of the first path, of those tried after it, and what stands for nothing."""
    found, absent = [], ""
    for part in path.split("|"):
        if part.startswith("="):
            absent = part[1:]
        else:
            found.append(part.strip(".").split("."))
    return found[0], found[1:], absent


def _first(obj: Any, paths: list[list[str]]) -> str:
    return next((value for path in paths if (value := _text(obj, path))), "")


def _text(obj: Obj, path: list[str]) -> str:
    value: Any = obj
    for step in path:
        if not isinstance(value, dict):
            return ""
        value = value.get(step)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
