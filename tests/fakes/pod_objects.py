"""Pods for tests of validation, and the problems that are found with them."""

from __future__ import annotations

from typing import Any

from api.core.v1.pod import POD


def pod(**spec: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "nginx:1"}], **spec},
    }
    POD.strategy.default(base)
    return base


def with_container(**fields: Any) -> dict[str, Any]:
    return pod(
        containers=[{"name": "c", "image": "nginx:1", **fields}], volumes=[{"name": "v", "emptyDir": {}}]
    )


def problems(obj: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(c.reason.removeprefix("FieldValue"), c.field, c.message) for c in POD.strategy.validate(obj)]
