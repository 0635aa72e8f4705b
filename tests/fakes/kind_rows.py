"""Objects of a kind as the engine has them, what their kind refuses, and the row that it shows of them."""

from __future__ import annotations

from typing import Any

from api import registry
from api.resource import Resource

NOW = 1_704_067_275.0  # 2024-01-01T00:01:15Z
BORN = "2024-01-01T00:00:00Z"


def resource(kind: str, group: str | None = None) -> Resource:
    return next(r for r in registry.load() if r.kind == kind and group in (None, r.gvr.group))


def made(kind: str, group: str | None = None, **fields: Any) -> dict[str, Any]:
    """A new object as the engine would have it before validation."""
    r = resource(kind, group)
    meta = {"name": "x", "namespace": "default", "creationTimestamp": BORN, **fields.pop("metadata", {})}
    obj = {"apiVersion": r.gvr.api_version, "kind": kind, "metadata": meta, **fields}
    r.strategy.default(obj)
    r.strategy.prepare_create(obj)
    r.strategy.stamp(obj, None, BORN)
    return obj


def problems(kind: str, obj: dict[str, Any], group: str | None = None) -> list[tuple[str, str]]:
    causes = resource(kind, group).strategy.validate(obj)
    return [(c.reason.removeprefix("FieldValue"), c.field) for c in causes]


def update_problems(
    kind: str, obj: dict[str, Any], old: dict[str, Any], group: str | None = None
) -> list[tuple[str, str]]:
    causes = resource(kind, group).strategy.validate_update(obj, old)
    return [(c.reason.removeprefix("FieldValue"), c.field) for c in causes]


def row(kind: str, obj: dict[str, Any], group: str | None = None) -> dict[str, Any]:
    return {c.name: c.path(obj, NOW) if callable(c.path) else c.path for c in resource(kind, group).columns}


def workload(**spec: Any) -> dict[str, Any]:
    return {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "nginx:1"}]},
        },
        **spec,
    }
