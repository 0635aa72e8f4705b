"""Metrics that an autoscaler goes by: exactly one source, the one that `type` names, and its target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.validation.errors import Errors
from api.validation.resources import sign_of
from machinery import names

Obj = dict[str, Any]

_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_TARGETS = ("AverageValue", "Utilization", "Value")


def validate_reference(errors: Errors, ref: Obj, path: str) -> None:
    """A CrossVersionObjectReference."""
    for field in ("kind", "name"):
        value = ref.get(field, "")
        if not value:
            errors.required(f"{path}.{field}")
        else:
            errors.invalid_each(f"{path}.{field}", value, names.path_segment(value))
    if ref.get("apiVersion", "").count("/") > 1:
        message = f"unexpected GroupVersion string: {ref['apiVersion']}"
        errors.invalid(f"{path}.apiVersion", ref["apiVersion"], message)


def validate_metric(errors: Errors, metric: Obj, path: str) -> None:
    kind = metric.get("type", "")
    if not kind:
        errors.required(f"{path}.type", "must specify a metric source type")
    if kind not in _SOURCES:
        errors.not_supported(f"{path}.type", kind, _SOURCES)
    present = [field for field in _SOURCES.values() if metric.get(field) is not None]
    if len(present) == 1:
        _RULES[present[0]](errors, metric[present[0]], f"{path}.{present[0]}")
    expected = _SOURCES.get(kind, kind[:1].lower() + kind[1:])
    if expected not in present:
        errors.required(f"{path}.{expected}", "must populate information for the given metric source")
    if len(present) != 1:
        for field in present:
            if field != expected:
                errors.forbidden(f"{path}.{field}", "must populate the given metric source only")


def _object(errors: Errors, source: Obj, path: str) -> None:
    validate_reference(errors, source.get("describedObject") or {}, f"{path}.describedObject")
    _identifier(errors, source.get("metric") or {}, f"{path}.metric")
    target = source.get("target") or {}
    _target(errors, target, f"{path}.target")
    if target.get("value") is None and target.get("averageValue") is None:
        message = "must set either a target value for metric or a per-pod target"
        errors.required(f"{path}.target.averageValue", message)


def _external(errors: Errors, source: Obj, path: str) -> None:
    _identifier(errors, source.get("metric") or {}, f"{path}.metric")
    target = source.get("target") or {}
    _target(errors, target, f"{path}.target")
    if target.get("value") is None and target.get("averageValue") is None:
        message = "must set either a target value for metric or a per-pod target"
        errors.required(f"{path}.target.averageValue", message)
    if target.get("value") is not None and target.get("averageValue") is not None:
        message = "may not set both a target value for metric and a per-pod target"
        errors.forbidden(f"{path}.target.value", message)


def _pods(errors: Errors, source: Obj, path: str) -> None:
    _identifier(errors, source.get("metric") or {}, f"{path}.metric")
    target = source.get("target") or {}
    _target(errors, target, f"{path}.target")
    average = target.get("averageValue")
    if average is None or sign_of(average) <= 0:
        errors.required(f"{path}.target.averageValue", "must specify a positive target averageValue")


def _resource(errors: Errors, source: Obj, path: str) -> None:
    if not source.get("name"):
        errors.required(f"{path}.name", "must specify a resource name")
    target = source.get("target") or {}
    _target(errors, target, f"{path}.target")
    if target.get("averageUtilization") is None and target.get("averageValue") is None:
        message = "must set either a target raw value or a target utilization"
        errors.required(f"{path}.target.averageUtilization", message)
    if target.get("averageUtilization") is not None and target.get("averageValue") is not None:
        message = "may not set both a target raw value and a target utilization"
        errors.forbidden(f"{path}.target.averageValue", message)


def _container_resource(errors: Errors, source: Obj, path: str) -> None:
    container = source.get("container", "")
    if not container:
        errors.required(f"{path}.container", "must specify a container")
    else:
        errors.invalid_each(f"{path}.container", container, names.dns1123_label(container))
    _resource(errors, source, path)


_RULES: dict[str, Callable[[Errors, Obj, str], None]] = {
    "containerResource": _container_resource,
    "external": _external,
    "object": _object,
    "pods": _pods,
    "resource": _resource,
}


def _identifier(errors: Errors, metric: Obj, path: str) -> None:
    name = metric.get("name", "")
    if not name:
        errors.required(f"{path}.name", "must specify a metric name")
    else:
        errors.invalid_each(f"{path}.name", name, names.path_segment(name))


def _target(errors: Errors, target: Obj, path: str) -> None:
    kind = target.get("type", "")
    if not kind:
        errors.required(f"{path}.type", "must specify a metric target type")
    if kind not in _TARGETS:
        errors.invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue")
    for field in ("value", "averageValue"):
        value = target.get(field)
        if value is not None and sign_of(value) <= 0:
            errors.invalid(f"{path}.{field}", value, "must be positive")
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        errors.invalid(f"{path}.averageUtilization", share, "must be greater than 0")
