"""Requests, limits and claims of containers and pods; what a resource may be called.

Source: Kubernetes "Resource Management for Pods and Containers", "Extended Resources", "Manage HugePages".
"""

from __future__ import annotations

from typing import Any

from api.validation.errors import Errors
from machinery import names, quantity
from machinery.resource_names import HUGEPAGES, is_extended, is_huge, is_native, is_overcommittable

Obj = dict[str, Any]

_COMPUTE = ("cpu", "memory", "ephemeral-storage")
# What is counted in whole units.
COUNTED = frozenset(
    {
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)
# What a name without a domain may be, anywhere.
_STANDARD = frozenset(
    {
        *_COMPUTE,
        *(f"requests.{name}" for name in _COMPUTE),
        *(f"limits.{name}" for name in _COMPUTE),
        *COUNTED,
        "storage",
        "requests.storage",
    }
)


def validate_name(errors: Errors, name: str, path: str) -> bool:
    """A resource's name anywhere; whether it is good."""
    bad = names.qualified_name(name)
    errors.invalid_each(path, name, bad)
    if bad:
        return False
    huge = name.startswith((HUGEPAGES, f"requests.{HUGEPAGES}"))
    if "/" not in name and name not in _STANDARD and not huge:
        errors.invalid(path, name, "must be a standard resource type or fully qualified")
        return False
    return True


def validate_container_name(errors: Errors, name: str, path: str) -> None:
    """A resource that a container can ask for."""
    validate_name(errors, name, path)
    if "/" not in name:
        if name not in _COMPUTE and not is_huge(name):
            errors.invalid(path, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        errors.invalid(path, name, "doesn't follow extended resource name standard")


def _validate_pod_name(errors: Errors, name: str, path: str) -> None:
    if validate_name(errors, name, path) and name not in ("cpu", "memory") and not is_huge(name):
        errors.not_supported(path, name, ("cpu", HUGEPAGES, "memory"))


def sign_of(amount: str) -> int:
    """-1, 0 or 1."""
    parsed, zero = quantity.parse(amount), quantity.parse("0")
    return (parsed > zero) - (parsed < zero)


def validate_amount(errors: Errors, amount: str, path: str) -> None:
    if sign_of(amount) < 0:
        errors.invalid(path, amount, "must be greater than or equal to 0")


def validate_amount_of(errors: Errors, name: str, amount: str, path: str) -> None:
    validate_amount(errors, amount, path)
    if (name in COUNTED or is_extended(name)) and quantity.milli_value(amount) % 1000:
        errors.invalid(path, amount, "must be an integer")


def is_whole_pages(name: str, amount: str) -> bool:
    """Whether the amount of huge pages is a number of pages of their size."""
    size = name.removeprefix(HUGEPAGES)
    if not quantity.is_quantity(size) or sign_of(size) <= 0 or quantity.milli_value(size) % 1000:
        return False
    return quantity.value(amount) % quantity.value(size) == 0


def validate_resources(
    errors: Errors,
    resources: Obj | None,
    path: str,
    claims: frozenset[str] = frozenset(),
    *,
    pod: bool = False,
    odd_pages: bool = False,
) -> None:
    """A ResourceRequirements; `claims` are the names of the pod's resourceClaims, `odd_pages` are let be."""
    if not resources:
        return
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    validate = _validate_pod_name if pod else validate_container_name

    def judge(name: str, amount: str, at: str) -> None:
        validate(errors, name, at)
        validate_amount_of(errors, name, amount, at)

    def judge_pages(name: str, amount: str, at: str) -> None:
        if is_huge(name) and not odd_pages and not is_whole_pages(name, amount):
            errors.invalid(at, amount, f"{amount} is not positive integer multiple of {name}")

    for name, amount in limits.items():
        judge(name, amount, f"{path}.limits[{name}]")
        judge_pages(name, amount, f"{path}.limits[{name}]")
    for name, amount in requests.items():
        judge(name, amount, f"{path}.requests[{name}]")
        if name in limits:
            _compare(errors, name, amount, limits[name], path)
        elif not is_overcommittable(name):
            errors.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        judge_pages(name, amount, f"{path}.requests[{name}]")
    both = {*limits, *requests}
    if any(map(is_huge, both)) and not {"cpu", "memory"} & both:
        errors.forbidden(path, "HugePages require cpu or memory")
    _validate_claims(errors, resources.get("claims") or [], f"{path}.claims", claims)


def _compare(errors: Errors, name: str, request: str, limit: str, path: str) -> None:
    wanted, most = quantity.parse(request), quantity.parse(limit)
    if wanted != most and not is_overcommittable(name):
        errors.invalid(f"{path}.requests", request, f"must be equal to {name} limit of {limit}")
    elif wanted > most:
        errors.invalid(f"{path}.requests", request, f"must be less than or equal to {name} limit of {limit}")


def _validate_claims(errors: Errors, claims: list[Obj], path: str, known: frozenset[str]) -> None:
    """A claim may be named as a whole once, or each of its requests once."""
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at, name, request = f"{path}[{index}]", claim.get("name", ""), claim.get("request", "")
        if not name:
            errors.required(at)
            continue
        if name in seen:
            errors.duplicate(at, name)
        else:
            key = name
            if request:
                errors.invalid_each(f"{at}.request", request, names.dns1123_label(request))
                key += f"/{request}"
            if key in seen:
                errors.duplicate(at, key)
            elif not request:
                for other in sorted(seen):
                    if other.partition("/")[0] == name:
                        errors.duplicate(at, name)
            seen.add(key)
        if name not in known:
            choices = f": {', '.join(sorted(known))}" if known else " which is empty"
            errors.not_found(at, name, f"must be one of the names in pod.spec.resourceClaims{choices}")
