"""Columns of the server-side Table that many kinds share, and the words their cells are written in.

A cell is what `kubectl get` prints: `<none>` for nothing, `5m` for an age.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from api.resource import Column
from machinery.clock import parse_rfc3339
from machinery.durations import human_duration

Obj = dict[str, Any]

NONE = "<none>"
UNKNOWN = "<unknown>"


def since(timestamp: str | None, now: float) -> str:
    """How long ago a Time was, `<unknown>` where there is none."""
    return human_duration(now - parse_rfc3339(timestamp)) if timestamp else UNKNOWN


def age(obj: Obj, now: float) -> str:
    return since(obj["metadata"].get("creationTimestamp"), now)


def meta_name(obj: Obj, now: float) -> str:
    name: str = obj["metadata"]["name"]
    return name


def labels_text(labels: Mapping[str, str] | None) -> str:
    """`app=web,tier=front`, sorted."""
    return ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items())) or NONE


def selector_text(selector: Obj | None) -> str:
    """A LabelSelector in the form that `-l` takes; `<none>` for one that selects everything."""
    parts = [(k, f"{k}={v}") for k, v in ((selector or {}).get("matchLabels") or {}).items()]
    for each in (selector or {}).get("matchExpressions") or ():
        key, values = each["key"], ",".join(sorted(each.get("values") or ()))
        words = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append((key, words.get(each["operator"], f"!{key}")))
    return ",".join(text for _, text in sorted(parts, key=lambda part: part[0])) or NONE


def field(obj: Obj, *path: str) -> Any:
    """The value at a path, None where any part of it is absent."""
    for key in path:
        obj = obj.get(key) or {}
    return obj if obj != {} else None


def number(*path: str) -> Callable[[Obj, float], int]:
    """A cell for a count that is 0 where it is absent."""
    return lambda obj, now: field(obj, *path) or 0


def text(*path: str, absent: str = NONE) -> Callable[[Obj, float], str]:
    """A cell for a word; `absent` where there is none."""
    return lambda obj, now: str(field(obj, *path) or absent)


def flag(*path: str, absent: str = "<unset>") -> Callable[[Obj, float], str]:
    """A cell for a truth value that may be unset."""

    def cell(obj: Obj, now: float) -> str:
        parent = field(obj, *path[:-1]) if path[:-1] else obj
        value = (parent or {}).get(path[-1])
        return absent if value is None else str(value)

    return cell


NAME = Column(
    "Name",
    meta_name,
    format="name",
    description="Unique within its namespace, or within the cluster for kinds that have none.",
)
AGE = Column("Age", age, description="Time since the object was created.")
CREATED_AT = Column(
    "Created At",
    lambda obj, now: obj["metadata"].get("creationTimestamp") or UNKNOWN,
    type="date",
    description="When the object was created.",
)


def template_columns(*path: str) -> tuple[Column, ...]:
    """What -o wide adds for a kind with a pod template at `path`."""

    def joined(key: str) -> Callable[[Obj, float], str]:
        return lambda obj, now: ",".join(
            c.get(key, "") for c in field(obj, *path, "spec", "containers") or ()
        )

    return (
        Column("Containers", joined("name"), priority=1, description="Names of the template's containers."),
        Column("Images", joined("image"), priority=1, description="Images of the template's containers."),
    )


def workload_columns(*path: str) -> tuple[Column, ...]:
    """What -o wide adds for a kind with a pod template and a selector in its spec, or at another `path`."""
    at = path or ("spec",)
    return (
        *template_columns(*at, "template"),
        Column(
            "Selector",
            lambda obj, now: selector_text(field(obj, *at, "selector")),
            priority=1,
            description="Which pods belong to it.",
        ),
    )
