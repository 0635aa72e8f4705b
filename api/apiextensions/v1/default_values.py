"""Defaults of a version's schema: each must itself be a value that the schema would take, with nothing to prune.

Source: apiextensions-apiserver pkg/apiserver/schema/defaulting/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.apiextensions.v1.rules import rules_of
from api.apiextensions.v1.values import validate_embedded, validate_value
from api.validation.errors import Errors

Json = dict[str, Any]

_ENVELOPE = ("apiVersion", "kind", "metadata")


def validate_defaults(errors: Errors, schema: Json, path: str) -> None:
    """Those inside additionalProperties are not looked at: they are never set."""
    default = schema.get("default")
    if default is not None:
        _validate_default(errors, default, schema, f"{path}.default")
    items = schema.get("items")
    if isinstance(items, dict):
        validate_defaults(errors, items, f"{path}.items")
    for name, child in (schema.get("properties") or {}).items():
        validate_defaults(errors, child, f"{path}.properties[{name}]")


def _validate_default(errors: Errors, default: Any, schema: Json, path: str) -> None:
    if any(True for _ in unknown_fields(default, schema)):
        errors.invalid(path, default, "must not have unknown fields")
    judged = Errors()
    validate_embedded(judged, default, schema, path)
    if not judged:
        below = Errors()
        validate_value(below, default, schema, "")
        judged.causes += [
            cause._replace(field=f"{path}.{cause.field}" if cause.field else path) for cause in below.causes
        ]
    if not judged and (rules := rules_of(schema, root=False)) is not None:
        rules.check(judged, default, default, path, has_old=True)
        if not judged:
            rules.check(judged, default, None, path, has_old=False)
    errors.causes += judged.causes


def unknown_fields(value: Any, schema: Json, path: str = "") -> Iterator[str]:
    """Fields that pruning would take away."""
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            yield from unknown_fields(item, schema["items"], f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    known, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    envelope = _ENVELOPE if schema.get("x-kubernetes-embedded-resource") else ()
    for name, item in value.items():
        here = f"{path}.{name}" if path else name
        if name in known:
            yield from unknown_fields(item, known[name], here)
        elif isinstance(additional, dict):
            yield from unknown_fields(item, additional, here)
        elif not (additional or schema.get("x-kubernetes-preserve-unknown-fields") or name in envelope):
            yield here
