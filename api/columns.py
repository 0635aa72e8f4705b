"""Columns of the server-side Table that many kinds share, and the words their cells are written in.

A cell is what `kubectl get` prints: `<none>` for nothing, `5m` for an age.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    parts = [f"{k}={v}" for k, v in sorted(((selector or {}).get("matchLabels") or {}).items())]
    for each in (selector or {}).get("matchExpressions") or ():
        key, values = each["key"], ",".join(sorted(each.get("values") or ()))
        words = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append(words.get(each["operator"], f"!{key}"))
    return ",".join(sorted(parts)) or NONE


def container_names(obj: Obj, now: float) -> str:
    return ",".join(c.get("name", "") for c in _template_containers(obj))


def container_images(obj: Obj, now: float) -> str:
    return ",".join(c.get("image", "") for c in _template_containers(obj))


def _template_containers(obj: Obj) -> Sequence[Obj]:
    containers: Sequence[Obj] = obj["spec"].get("template", {}).get("spec", {}).get("containers") or ()
    return containers


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


def workload_columns() -> tuple[Column, ...]:
    """What -o wide adds for a kind with a pod template and a selector."""
    return (
        Column("Containers", container_names, priority=1, description="Names of the template's containers."),
        Column("Images", container_images, priority=1, description="Images of the template's containers."),
        Column(
            "Selector",
            lambda obj, now: selector_text(obj["spec"].get("selector")),
            priority=1,
            description="Which pods belong to it.",
        ),
    )
