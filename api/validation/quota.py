"""Bounds for a namespace: resources that may be counted, scopes, and limits of single objects.

Source: Kubernetes "Resource Quotas", "Limit Ranges".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from api.validation.resources import (
    COUNTED,
    validate_amount_of,
    validate_container_name,
    validate_name,
)
from machinery import names, quantity
from machinery.errors import Cause
from machinery.resource_names import is_overcommittable

Obj = dict[str, Any]

_POD_COMPUTE = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
_QUOTA = frozenset(
    {
        *_POD_COMPUTE,
        *COUNTED,
        "ephemeral-storage",
        "requests.ephemeral-storage",
        "limits.ephemeral-storage",
        "requests.storage",
    }
)
_OF_PODS = frozenset({"pods", *_POD_COMPUTE})
_FITS = {
    "BestEffort": frozenset({"pods"}),
    "NotBestEffort": _OF_PODS,
    "Terminating": _OF_PODS,
    "NotTerminating": _OF_PODS,
    "PriorityClass": _OF_PODS,
    "CrossNamespacePodAffinity": _OF_PODS,
    "VolumeAttributesClass": frozenset({"persistentvolumeclaims", "requests.storage"}),
}
_SCOPES = frozenset(_FITS)
_EXISTING = _SCOPES - {"PriorityClass", "VolumeAttributesClass"}
_OPPOSITES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))


def validate_quota(quota: Obj) -> Sequence[Cause]:
    errors = Errors()
    spec = quota.get("spec") or {}
    validate_amounts(errors, spec.get("hard") or {}, "spec.hard")
    hard = frozenset(spec.get("hard") or {})
    _validate_scopes(errors, spec.get("scopes") or [], hard)
    if spec.get("scopeSelector") is not None:
        _validate_scope_selector(errors, spec, hard)
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
        validate_name(errors, name, at)
        if "/" not in name and not _is_standard(name):
            errors.invalid(at, name, "must be a standard resource for quota")
        validate_amount_of(errors, name, amount, at)


def _is_standard(name: str) -> bool:
    return name in _QUOTA or name.startswith(("hugepages-", "requests.hugepages-"))


def _validate_scope(errors: Errors, scope: str, hard: frozenset[str], path: str, shown: Any) -> None:
    """Each resource must be one that objects in the scope can use."""
    fits = _FITS.get(scope)
    for name in sorted(hard):
        if fits is not None and _is_standard(name) and name not in fits:
            errors.invalid(path, shown, "unsupported scope applied to resource")


def _refuse_conflicts(errors: Errors, scopes: Sequence[str], path: str, shown: Any) -> None:
    for one, other in _OPPOSITES:
        if one in scopes and other in scopes:
            errors.invalid(path, shown, "conflicting scopes")


def _validate_scopes(errors: Errors, scopes: Sequence[str], hard: frozenset[str]) -> None:
    path = "spec.scopes"
    for scope in scopes:
        if scope not in _SCOPES:
            errors.invalid(path, scopes, "unsupported scope")
        _validate_scope(errors, scope, hard, path, scopes)
    _refuse_conflicts(errors, scopes, path, scopes)


def _validate_scope_selector(errors: Errors, spec: Obj, hard: frozenset[str]) -> None:
    """Upstream tells of an expression's parts without its index."""
    path, selector, named = "spec.scopeSelector.matchExpressions", spec["scopeSelector"], []
    for each in selector.get("matchExpressions") or ():
        scope, operator, values = (
            each.get("scopeName", ""),
            each.get("operator", ""),
            each.get("values") or [],
        )
        if scope not in _SCOPES:
            errors.invalid(f"{path}.scopeName", scope, "unsupported scope")
        _validate_scope(errors, scope, hard, path, selector)
        if scope in _EXISTING and operator != "Exists":
            message = (
                "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
                "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
                "ResourceQuotaScopeCrossNamespacePodAffinity"
            )
            errors.invalid(f"{path}.operator", operator, message)
        if operator in ("In", "NotIn"):
            if not values:
                message = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                errors.required(f"{path}.values", message)
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                message = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                errors.invalid(f"{path}.values", values, message)
        else:
            errors.invalid(f"{path}.operator", operator, "not a valid selector operator")
        named.append(scope)
    _refuse_conflicts(errors, named, path, spec.get("scopes"))


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
    _validate_keys(errors, {"max": most, "min": least}, kind, path)
    if kind == "Pod":
        for field in ("default", "defaultRequest"):
            if item.get(field):
                errors.forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
        default, request = {}, {}
    _validate_keys(errors, {"default": default, "defaultRequest": request}, kind, path)
    if kind == "PersistentVolumeClaim" and "storage" not in least and "storage" not in most:
        message = "either minimum or maximum storage value is required, but neither was provided"
        errors.required(f"{path}.limits", message)
    _validate_keys(errors, {"maxLimitRequestRatio": ratios}, kind, path)
    for name in sorted({*least, *most, *default, *request, *ratios}):
        for one, other, field, shown, words in (
            (least, most, "min", least, "min value {} is greater than max value {}"),
            (
                least,
                request,
                "defaultRequest",
                request,
                "min value {} is greater than default request value {}",
            ),
            (
                request,
                most,
                "defaultRequest",
                request,
                "default request value {} is greater than max value {}",
            ),
            (
                request,
                default,
                "defaultRequest",
                request,
                "default request value {} is greater than default limit value {}",
            ),
            (least, default, "default", least, "min value {} is greater than default value {}"),
            (default, most, "default", most, "default value {} is greater than max value {}"),
        ):
            low, high = one.get(name), other.get(name)
            if low is not None and high is not None and quantity.parse(low) > quantity.parse(high):
                errors.invalid(f"{path}.{field}[{name}]", shown[name], words.format(low, high))
        if name in ratios:
            _validate_ratio(
                errors, ratios[name], least.get(name), most.get(name), f"{path}.maxLimitRequestRatio[{name}]"
            )
        amount, asked = default.get(name), request.get(name)
        if amount is None or asked is None or is_overcommittable(name):
            continue
        if quantity.parse(amount) != quantity.parse(asked):
            message = f"default value {amount} must equal to defaultRequest value {asked} in {name}"
            errors.invalid(f"{path}.defaultRequest[{name}]", asked, message)


def _validate_keys(errors: Errors, parts: dict[str, Obj], kind: str, path: str) -> None:
    for field, amounts in parts.items():
        for name in amounts:
            at = f"{path}.{field}[{name}]"
            if kind in ("Pod", "Container"):
                validate_container_name(errors, name, at)
            else:
                validate_name(errors, name, at)


def _validate_ratio(errors: Errors, ratio: str, least: str | None, most: str | None, path: str) -> None:
    """A limit may be so many times a request, and no more than the bounds themselves allow."""
    if quantity.parse(ratio) < quantity.parse("1"):
        errors.invalid(path, ratio, f"ratio {ratio} is less than 1")
    if least is None or most is None or not quantity.milli_value(least):
        return
    allowed = quantity.milli_value(most) / quantity.milli_value(least)
    if quantity.milli_value(ratio) / 1000 > allowed:
        errors.invalid(path, ratio, f"ratio {ratio} is greater than max/min = {allowed:f}")


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
