"""What the tests of kinds share: making an object as the engine would have it, and judging it."""

from __future__ import annotations

from typing import Any

import pytest

from api import registry
from api.resource import Resource
from machinery.objects import deep_copy

NOW = 1_704_067_275.0  # 2024-01-01T00:01:15Z
BORN = "2024-01-01T00:00:00Z"

Found = list[tuple[str, str]]


class Kinds:
    """`kind` is the kind's name; `version` tells two versions of one apart."""

    def resource(self, kind: str, version: str = "") -> Resource:
        return next(r for r in registry.load() if r.kind == kind and version in ("", r.gvr.version))

    def made(self, kind: str, *, version: str = "", name: str = "x", **fields: Any) -> dict[str, Any]:
        """A new object, defaulted and prepared, not yet judged."""
        r = self.resource(kind, version)
        meta = {"name": name, "uid": "u-1", "creationTimestamp": BORN}
        meta |= {"namespace": "default"} if r.namespaced else {}
        obj = {"apiVersion": r.gvr.api_version, "kind": kind, "metadata": meta, **deep_copy(fields)}
        r.strategy.default(obj)
        r.strategy.prepare_create(obj)
        r.strategy.stamp(obj, None, BORN)
        return obj

    def problems(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> Found:
        strategy = self.resource(obj["kind"], obj["apiVersion"].rpartition("/")[2]).strategy
        causes = strategy.validate(obj) if old is None else strategy.validate_update(obj, old)
        return [(c.reason.removeprefix("FieldValue"), c.field) for c in causes]

    def changed(self, old: dict[str, Any], *path: str, to: Any) -> Found:
        """What is wrong with setting one field of a stored object."""
        new = deep_copy(old)
        at = new
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = to
        return self.problems(new, old)

    def row(self, obj: dict[str, Any]) -> dict[str, Any]:
        """The cells that are computed; those given by a path are the path's business."""
        columns = self.resource(obj["kind"], obj["apiVersion"].rpartition("/")[2]).columns
        return {c.name: c.path(obj, NOW) for c in columns if callable(c.path)}


@pytest.fixture
def kinds() -> Kinds:
    return Kinds()
