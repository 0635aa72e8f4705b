"""Bounds for a namespace: resources that may be counted, scopes, and limits of single objects.

Source: Kubernetes "Resource Quotas", "Limit Ranges".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from machinery import names, quantity
from machinery.errors import Cause

Obj = dict[str, Any]

_PER_POD = (
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
)
_OBJECTS = (
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
)
_QUOTA = frozenset({*_PER_POD, *_OBJECTS, "storage", "requests.storage"})
_BEST_EFFORT = frozenset({"pods"})
_COMPUTE = frozenset({"pods", *_PER_POD})
_SCOPES = (
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
)
_OPPOSITES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_OPERATORS = ("DoesNotExist", "Exists", "In", "NotIn")


def validate_quota(quota: Obj) -> Sequence[Cause]:
    errors = Errors()
    spec = quota.get("spec") or {}
    validate_amounts(errors, spec.get("hard") or {}, "spec.hard")
    hard = frozenset(spec.get("hard") or {})
    scopes = spec.get("scopes") or []
    _validate_scopes(errors, scopes, hard, "spec.scopes", scopes)
    selector = spec.get("scopeSelector")
    if selector is not None:
        _validate_scope_selector(errors, selector, hard)
    return errors.causes


def validate_quota_status(quota: Obj) -> Sequence[Cause]:
    errors = Errors()
    status = quota.get("status") or {}
    for field in ("hard", "used"):
        validate_amounts(errors, status.get(field) or {}, f"status.{field}")
    return errors.causes


def validate_amounts(errors: Errors, amounts: dict[str, str], path: str) -> None:
    """Amounts by resources that a quota can count."""
    for name, amount in amounts.items():
        at = f"{path}[{name}]"
        bad = names.qualified_name(name)
        errors.invalid_each(at, name, bad)
        if not bad and "/" not in name and name not in _QUOTA and not name.startswith(_PREFIXES):
            errors.invalid(at, name, "must be a standard resource type or fully qualified")
            errors.invalid(at, name, "must be a standard resource for quota")
        parsed = quantity.parse(amount)
        if parsed < quantity.parse("0"):
            errors.invalid(at, amount, "must be greater than or equal to 0")
        elif name in _OBJECTS and quantity.milli_value(amount) % 1000:
            errors.invalid(at, amount, "must be an integer")


_PREFIXES = ("hugepages-", "requests.hugepages-", "limits.hugepages-", "count/")


def _validate_scopes(
    errors: Errors, scopes: Sequence[str], hard: frozenset[str], path: str, shown: Any
) -> None:
    for scope in scopes:
        if scope not in _SCOPES:
            errors.invalid(path, shown, "unsupported scope")
            continue
        fits = {"BestEffort": _BEST_EFFORT, "VolumeAttributesClass": None}.get(scope, _COMPUTE)
        for name in sorted(hard):
            if fits is not None and name in _QUOTA and name not in fits:
                errors.invalid(path, shown, "unsupported scope applied to resource")
                break
    for one, other in _OPPOSITES:
        if one in scopes and other in scopes:
            errors.invalid(path, shown, "conflicting scopes")


def _validate_scope_selector(errors: Errors, selector: Obj, hard: frozenset[str]) -> None:
    path = "spec.scopeSelector.matchExpressions"
    named = []
    for index, each in enumerate(selector.get("matchExpressions") or ()):
        at, scope = f"{path}[{index}]", each.get("scopeName", "")
        operator, values = each.get("operator", ""), each.get("values") or []
        named.append(scope)
        if scope not in _SCOPES:
            errors.invalid(f"{at}.scopeName", scope, "unsupported scope")
        elif scope not in ("PriorityClass", "VolumeAttributesClass") and operator != "Exists":
            message = "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
            message += "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
            message += "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
            errors.invalid(f"{at}.operator", operator, message)
        if operator not in _OPERATORS:
            errors.invalid(f"{at}.operator", operator, "not a valid selector operator")
        elif operator in ("In", "NotIn"):
            if not values:
                message = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                errors.required(f"{at}.values", message)
        elif values:
            message = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            errors.invalid(f"{at}.values", values, message)
    _validate_scopes(errors, [s for s in named if s in _SCOPES], hard, path, named)


# --- limits of single objects -------------------------------------------------------------------------------


def validate_limit_range(obj: Obj) -> Sequence[Cause]:
    errors = Errors()
    seen: set[str] = set()
    for index, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
        at, kind = f"spec.limits[{index}]", item.get("type", "")
        bad = names.qualified_name(kind)
        errors.invalid_each(f"{at}.type", kind, bad)
        if not bad and "/" not in kind and kind not in ("Pod", "Container", "PersistentVolumeClaim"):
            errors.invalid(f"{at}.type", kind, "must be a standard limit type or fully qualified")
        if kind in seen:
            errors.duplicate(f"{at}.type", kind)
        seen.add(kind)
        _validate_item(errors, item, kind, at)
    return errors.causes


def _validate_item(errors: Errors, item: Obj, kind: str, path: str) -> None:
    least, most = item.get("min") or {}, item.get("max") or {}
    default, request = item.get("default") or {}, item.get("defaultRequest") or {}
    ratios = item.get("maxLimitRequestRatio") or {}
    if kind == "Pod":
        for field in ("default", "defaultRequest"):
            if item.get(field):
                errors.forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
    if kind == "PersistentVolumeClaim" and "storage" not in least and "storage" not in most:
        message = "either minimum or maximum storage value is required, but neither was provided"
        errors.required(path, message)
    for name in sorted({*least, *most, *default, *request, *ratios}):
        for one, other, field, words in (
            (least, most, "min", "min value {} is greater than max value {}"),
            (least, request, "defaultRequest", "min value {} is greater than default request value {}"),
            (request, most, "defaultRequest", "default request value {} is greater than max value {}"),
            (
                request,
                default,
                "defaultRequest",
                "default request value {} is greater than default limit value {}",
            ),
            (least, default, "default", "min value {} is greater than default value {}"),
            (default, most, "default", "default value {} is greater than max value {}"),
        ):
            low, high = one.get(name), other.get(name)
            if low is not None and high is not None and quantity.parse(low) > quantity.parse(high):
                wrong = {"min": low, "default": default.get(name), "defaultRequest": request.get(name)}[field]
                errors.invalid(f"{path}.{field}[{name}]", wrong, words.format(low, high))
        if name in ratios and quantity.parse(ratios[name]) < quantity.parse("1"):
            errors.invalid(
                f"{path}.maxLimitRequestRatio[{name}]", ratios[name], f"ratio {ratios[name]} is less than 1"
            )


def default_limit_item(item: Obj) -> None:
    """A container's limits are the most there may be, its requests the limits, or else the least."""
    if item.get("type") != "Container":
        return
    most, least = item.get("max") or {}, item.get("min") or {}
    default = {**most, **(item.get("default") or {})}
    request = {**least, **default, **(item.get("defaultRequest") or {})}
    if default:
        item["default"] = default
    if request:
        item["defaultRequest"] = request
