"""What selection needs of an object, taken out once when it is written: its labels and selectable fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Obj = dict[str, Any]
Extract = Callable[[Obj], tuple[Mapping[str, str], Mapping[str, str]]]
_NONE: Mapping[str, str] = {}
_NOTHING: Obj = {}


def extractor(selectable_fields: Mapping[str, str], *, namespaced: bool) -> Extract:
    """`selectable_fields`: field label → where its value is, as in `Resource.selectable_fields`.

    An absent field counts as what its path says of it, or as "" (as upstream's field sets do), a bool as true/false.
    """
    parsed = [(label, *_parsed(path)) for label, path in selectable_fields.items()]
    near: dict[
        str, list[tuple[str, str, str]]
    ] = {}  # the part of an object → (label, key in it, what stands for nothing)
    for label, first, others, absent in parsed:
        if len(first) == 2 and not others:
            near.setdefault(first[0], []).append((label, first[1], absent))
    far = [each for each in parsed if len(each[1]) != 2 or each[2]]

    def extract(obj: Obj) -> tuple[Mapping[str, str], Mapping[str, str]]:
        metadata = obj["metadata"]
        fields = {"metadata.name": metadata.get("name", "")}
        if namespaced:
            fields["metadata.namespace"] = metadata.get("namespace", "")
        for part, leaves in near.items():
            inner = obj.get(part)
            if type(inner) is not dict:
                inner = _NOTHING
            for label, key, absent in leaves:
                value = inner.get(key)
                fields[label] = (value if type(value) is str else _shown(value)) or absent
        for label, first, others, absent in far:
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
    return _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
