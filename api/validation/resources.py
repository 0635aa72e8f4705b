"""Requests, limits and claims of containers and pods.

Source: Kubernetes "Resource Management for Pods and Containers".
"""

from __future__ import annotations

from typing import Any

from api.validation.errors import Errors
from machinery import names, quantity

Obj = dict[str, Any]

_STANDARD = frozenset({"cpu", "memory", "ephemeral-storage"})
# What a name without a domain may be, in containers.
_HUGEPAGES = "hugepages-"


def validate_resources(
    errors: Errors,
    resources: Obj | None,
    path: str,
    claims: frozenset[str] = frozenset(),
    *,
    pod: bool = False,
) -> None:
    """A ResourceRequirements; `claims` are the names of the pod's resourceClaims."""
    if not resources:
        return
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, amount in limits.items():
        _validate_amount(errors, name, amount, f"{path}.limits", pod=pod)
    for name, amount in requests.items():
        _validate_amount(errors, name, amount, f"{path}.requests", pod=pod)
        if name in limits:
            _compare(errors, name, amount, limits[name], path)
        elif not _is_overcommittable(name):
            errors.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    both = [*limits, *requests]
    if any(name.startswith(_HUGEPAGES) for name in both) and not {"cpu", "memory"} & set(both):
        errors.forbidden(path, "HugePages require cpu or memory")
    _validate_claims(errors, resources.get("claims") or [], f"{path}.claims", claims)


def _compare(errors: Errors, name: str, request: str, limit: str, path: str) -> None:
    wanted, most = quantity.parse(request), quantity.parse(limit)
    if not _is_overcommittable(name):
        if wanted != most:
            errors.invalid(f"{path}.requests", request, f"must be equal to {name} limit of {limit}")
    elif wanted > most:
        errors.invalid(f"{path}.requests", request, f"must be less than or equal to {name} limit of {limit}")


def _is_overcommittable(name: str) -> bool:
    return name in _STANDARD or (not _is_extended(name) and not name.startswith(_HUGEPAGES))


def _is_extended(name: str) -> bool:
    """A resource that is counted in whole units and advertised by a device plugin."""
    return "/" in name and "kubernetes.io/" not in name and not name.startswith("requests.")


def _validate_amount(errors: Errors, name: str, amount: str, path: str, *, pod: bool) -> None:
    at = f"{path}[{name}]"
    bad = names.qualified_name(name)
    errors.invalid_each(at, name, bad)
    if not bad and "/" not in name and name not in _STANDARD and not name.startswith(_HUGEPAGES):
        errors.invalid(at, name, "must be a standard resource type or fully qualified")
        errors.invalid(at, name, "must be a standard resource for containers")
    elif pod and name not in ("cpu", "memory") and not name.startswith(_HUGEPAGES):
        errors.not_supported(at, name, ("cpu", "hugepages-*", "memory"))
    validate_amount(errors, amount, at)
    if _is_extended(name) and quantity.milli_value(amount) % 1000:
        errors.invalid(at, amount, "must be an integer")


def sign_of(amount: str) -> int:
    """-1, 0 or 1."""
    parsed, zero = quantity.parse(amount), quantity.parse("0")
    return (parsed > zero) - (parsed < zero)


def validate_amount(errors: Errors, amount: str, path: str) -> None:
    if sign_of(amount) < 0:
        errors.invalid(path, amount, "must be greater than or equal to 0")


def _validate_claims(errors: Errors, claims: list[Obj], path: str, known: frozenset[str]) -> None:
    seen = set()
    for index, claim in enumerate(claims):
        at, name = f"{path}[{index}]", claim.get("name", "")
        if not name:
            errors.required(f"{at}.name")
            continue
        if (key := (name, claim.get("request"))) in seen:
            errors.duplicate(at, name)
        seen.add(key)
        if name not in known:
            errors.not_found(f"{at}.name", name)
