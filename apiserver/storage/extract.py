"""What selection needs of an object, taken out once when it is written: its labels and selectable fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Obj = dict[str, Any]
Extract = Callable[[Obj], tuple[Mapping[str, str], Mapping[str, str]]]
_NONE: Mapping[str, str] = {}


def extractor(selectable_fields: Mapping[str, str], *, namespaced: bool) -> Extract:
    """`selectable_fields`: field label → simple path (`.spec.nodeName` or `spec.nodeName`).

    An absent field counts as "" (as upstream's field sets do), a bool as true/false.
    """
    paths = [(label, path.strip(".").split(".")) for label, path in selectable_fields.items()]

    def extract(obj: Obj) -> tuple[Mapping[str, str], Mapping[str, str]]:
        metadata = obj["metadata"]
        fields = {"metadata.name": metadata.get("name", "")}
        if namespaced:
            fields["metadata.namespace"] = metadata.get("namespace", "")
        for label, path in paths:
            fields[label] = _text(obj, path)
        labels = metadata.get("labels")
        return (dict(labels) if labels else _NONE), fields

    return extract


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
