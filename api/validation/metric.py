"""Metrics that an autoscaler goes by: exactly one source, the one that `type` names, and its target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.validation.errors import Errors
from api.validation.resources import sign_of, validate_container_name
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


def group_version_error(version: str) -> tuple[str, ...]:
    return (f"unexpected GroupVersion string: {version}",) if version.count("/") > 1 else ()


def object_version_error(metric: Obj) -> tuple[str, ...]:
    """What is wrong with the version of the object that a metric is of."""
    ref = (metric.get("object") or {}).get("describedObject") or {}
    return group_version_error(ref.get("apiVersion", ""))


def validate_metric(errors: Errors, metric: Obj, path: str, *, odd_versions: bool = False) -> None:
    kind = metric.get("type", "")
    if not kind:
        errors.required(f"{path}.type", "must specify a metric source type")
    if kind not in _SOURCES:
        errors.not_supported(f"{path}.type", kind, _SOURCES)
    present = [field for field in ("object", *_RULES) if metric.get(field) is not None]
    for field in present[:1]:
        if field == "object":
            wrong = () if odd_versions else object_version_error(metric)
            _object(errors, metric["object"], f"{path}.object", wrong)
        else:
            _RULES[field](errors, metric[field], f"{path}.{field}")
    expected = _SOURCES.get(kind)
    if expected is not None and expected not in present:
        errors.required(f"{path}.{expected}", "must populate information for the given metric source")
    for field in present if len(present) > 1 else ():
        if field != expected:
            errors.forbidden(f"{path}.{field}", "must populate the given metric source only")


def _object(errors: Errors, source: Obj, path: str, wrong_version: tuple[str, ...]) -> None:
    described = source.get("describedObject") or {}
    validate_reference(errors, described, f"{path}.describedObject")
    at = f"{path}.describedObject.apiVersion"
    errors.invalid_each(at, described.get("apiVersion", ""), wrong_version)
    _identifier(errors, source.get("metric") or {}, f"{path}.metric")
    target = source.get("target") or {}
    _target(errors, target, f"{path}.target")
    if target.get("value") is None and target.get("averageValue") is None:
        errors.required(f"{path}.target.averageValue", "must set either a target value or averageValue")


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
    if target.get("averageValue") is None:
        errors.required(f"{path}.target.averageValue", "must specify a positive target averageValue")


def _resource(errors: Errors, source: Obj, path: str) -> None:
    if not source.get("name"):
        errors.required(f"{path}.name", "must specify a resource name")
    _share(errors, source, path)


def _share(errors: Errors, source: Obj, path: str) -> None:
    """A target that is either an amount or a share of what was requested."""
    target = source.get("target") or {}
    _target(errors, target, f"{path}.target")
    if target.get("averageUtilization") is None and target.get("averageValue") is None:
        message = "must set either a target raw value or a target utilization"
        errors.required(f"{path}.target.averageUtilization", message)
    if target.get("averageUtilization") is not None and target.get("averageValue") is not None:
        message = "may not set both a target raw value and a target utilization"
        errors.forbidden(f"{path}.target.averageValue", message)


def _container_resource(errors: Errors, source: Obj, path: str) -> None:
    name, container = source.get("name", ""), source.get("container", "")
    if not name:
        errors.required(f"{path}.name", "must specify a resource name")
    else:
        validate_container_name(errors, name, f"{path}.name")
    if not container:
        errors.required(f"{path}.container", "must specify a container")
    else:
        errors.invalid_each(f"{path}.container", container, names.dns1123_label(container))
    _share(errors, source, path)


# In the order in which they are looked at, behind objects; of several sources the first is judged.
_RULES: dict[str, Callable[[Errors, Obj, str], None]] = {
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container_resource,
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
