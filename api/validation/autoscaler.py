"""Autoscalers: bounds, metrics and how fast to scale, in the form of autoscaling/v2.

Source: Kubernetes "Horizontal Pod Autoscaling"; its API reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from api.validation.metric import (
    group_version_error,
    object_version_error,
    validate_metric,
    validate_reference,
)
from api.validation.resources import validate_amount
from machinery.errors import Cause

Obj = dict[str, Any]

_MAX_WINDOW_S, _MAX_PERIOD_S = 3600, 1800
_SELECT = ("Disabled", "Max", "Min")
_POLICIES = ("Percent", "Pods")


def validate_autoscaler(obj: Obj, old: Obj | None = None) -> Sequence[Cause]:
    """A new autoscaler, or the successor of `old`, whose mistakes it may keep."""
    errors = Errors()
    spec, before = obj.get("spec") or {}, (old or {}).get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    lowest = 0 if before.get("minReplicas") == 0 else 1
    if least is not None and least < lowest:
        errors.invalid("spec.minReplicas", least, f"must be greater than or equal to {lowest}")
    if most < 1:
        errors.invalid("spec.maxReplicas", most, "must be greater than 0")
    if least is not None and most < least:
        errors.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    validate_reference(errors, target, "spec.scaleTargetRef")
    if old is None or not _version_error(before.get("scaleTargetRef") or {}):
        wrong = _version_error(target)
        errors.invalid_each("spec.scaleTargetRef.apiVersion", target.get("apiVersion", ""), wrong)
    metrics = spec.get("metrics") or []
    odd_versions = any(bool(list(object_version_error(each))) for each in before.get("metrics") or ())
    for index, metric in enumerate(metrics):
        validate_metric(errors, metric, f"spec.metrics[{index}]", odd_versions=odd_versions)
    if least == 0 and not any(each.get("type") in ("Object", "External") for each in metrics):
        message = "must specify at least one Object or External metric to support scaling to zero replicas"
        errors.forbidden("spec.metrics", message)
    behavior = spec.get("behavior") or {}
    for direction in ("scaleUp", "scaleDown"):
        if behavior.get(direction) is not None:
            _validate_rules(errors, behavior[direction], f"spec.behavior.{direction}")
    return errors.causes


def _version_error(ref: Obj) -> tuple[str, ...]:
    """All that can be scaled has a group, but for one kind of old."""
    version = ref.get("apiVersion", "")
    wrong = group_version_error(version)
    if wrong or ref.get("kind") == "ReplicationController" or (version.partition("/")[0] and "/" in version):
        return wrong
    return ("apiVersion must specify API group",)


def validate_autoscaler_status(obj: Obj) -> Sequence[Cause]:
    errors = Errors()
    status = obj.get("status") or {}
    for field in ("currentReplicas", "desiredReplicas"):
        errors.non_negative(f"status.{field}", status.get(field))
    return errors.causes


def _validate_rules(errors: Errors, rules: Obj, path: str) -> None:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None:
        at = f"{path}.stabilizationWindowSeconds"
        if window < 0:
            errors.invalid(at, window, "must be greater than or equal to zero")
        elif window > _MAX_WINDOW_S:
            errors.invalid(at, window, f"must be less than or equal to {_MAX_WINDOW_S}")
    select = rules.get("selectPolicy")
    if select is not None and select not in _SELECT:
        errors.not_supported(f"{path}.selectPolicy", select, _SELECT)
    policies = rules.get("policies") or []
    if not policies:
        errors.required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(policies):
        at = f"{path}.policies[{index}]"
        if policy.get("type") not in _POLICIES:
            errors.not_supported(f"{at}.type", policy.get("type", ""), _POLICIES)
        _above_zero(errors, f"{at}.value", policy.get("value", 0))
        period = policy.get("periodSeconds", 0)
        _above_zero(errors, f"{at}.periodSeconds", period)
        if period > _MAX_PERIOD_S:
            errors.invalid(f"{at}.periodSeconds", period, f"must be less than or equal to {_MAX_PERIOD_S}")
    if rules.get("tolerance") is not None:
        validate_amount(errors, rules["tolerance"], f"{path}.tolerance")


def _above_zero(errors: Errors, path: str, value: int) -> None:
    if value <= 0:
        errors.invalid(path, value, "must be greater than zero")


# --- what an autoscaler gets where it says nothing ----------------------------------------------------------


def _cpu() -> Obj:
    target = {"type": "Utilization", "averageUtilization": 80}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def default_autoscaler(spec: Obj) -> None:
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = [_cpu()]
    behavior = spec.get("behavior")
    if behavior is None:
        return
    up = behavior.setdefault("scaleUp", {})
    up.setdefault("stabilizationWindowSeconds", 0)
    up.setdefault("selectPolicy", "Max")
    if not up.get("policies"):
        up["policies"] = [
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ]
    down = behavior.setdefault("scaleDown", {})
    down.setdefault("selectPolicy", "Max")
    if not down.get("policies"):
        down["policies"] = [{"type": "Percent", "value": 100, "periodSeconds": 15}]
