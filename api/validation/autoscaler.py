"""Autoscalers: bounds, metrics and how fast to scale, in the form of autoscaling/v2.

Source: Kubernetes "Horizontal Pod Autoscaling"; its API reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from api.validation.metric import validate_metric, validate_reference
from api.validation.resources import sign_of
from machinery.errors import Cause

Obj = dict[str, Any]

_MAX_WINDOW_S, _MAX_PERIOD_S = 3600, 1800
_SELECT = ("Disabled", "Max", "Min")
_POLICIES = ("Percent", "Pods")


def validate_autoscaler(obj: Obj) -> Sequence[Cause]:
    errors = Errors()
    spec = obj.get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if least is not None and least < 1:
        errors.invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        errors.invalid("spec.maxReplicas", most, "must be greater than 0")
    if least is not None and most < least:
        errors.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    validate_reference(errors, spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")
    for index, metric in enumerate(spec.get("metrics") or ()):
        validate_metric(errors, metric, f"spec.metrics[{index}]")
    behavior = spec.get("behavior") or {}
    for direction in ("scaleUp", "scaleDown"):
        if behavior.get(direction) is not None:
            _validate_rules(errors, behavior[direction], f"spec.behavior.{direction}")
    return errors.causes


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
    errors.one_of(f"{path}.selectPolicy", rules.get("selectPolicy"), _SELECT)
    tolerance = rules.get("tolerance")
    if tolerance is not None and sign_of(tolerance) < 0:
        errors.invalid(f"{path}.tolerance", tolerance, "must be greater than or equal to zero")
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
