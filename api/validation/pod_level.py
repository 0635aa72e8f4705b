"""What a pod asks for as a whole, beside its containers: resources and claims.

Source: KEP-2837 (pod-level resources), KEP-4381 (resource claims).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.quota.pod_resources import of_containers
from api.validation.errors import Errors
from api.validation.resources import validate_resources
from machinery import names, quantity
from machinery.resource_names import is_huge

Obj = dict[str, Any]


def validate_pod_level(errors: Errors, spec: Obj, path: str, *, odd_pages: bool) -> None:
    """spec.resources: no less than the containers come to, no limit below one of theirs."""
    resources, at = spec.get("resources"), f"{path}.resources"
    if resources is None:
        return
    if (spec.get("os") or {}).get("name") == "windows":
        errors.forbidden(at, "may not be set for a windows pod")
        return
    if resources.get("claims") is not None:
        errors.forbidden(f"{at}.claims", "claims may not be set for Resources at pod-level")
    claims = frozenset(c["name"] for c in spec.get("resourceClaims") or () if c.get("name"))
    validate_resources(errors, resources, at, claims, pod=True, odd_pages=odd_pages)
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for name, total in of_containers(spec, "requests").items():
        if name in requests and total > quantity.parse(requests[name]):
            message = f"must be greater than or equal to aggregate container requests of {total}"
            errors.invalid(f"{at}.requests[{name}]", requests[name], message)
    for name, total in of_containers(spec, "limits").items():
        if is_huge(name) and name in limits and total > quantity.parse(limits[name]):
            message = f"must be greater than or equal to aggregate container limits of {total}"
            errors.invalid(f"{at}.limits[{name}]", limits[name], message)
    for index, container in enumerate(spec.get("containers") or ()):
        for name, amount in ((container.get("resources") or {}).get("limits") or {}).items():
            if name in limits and quantity.parse(amount) > quantity.parse(limits[name]):
                message = f"must be less than or equal to pod limits of {limits[name]}"
                errors.invalid(f"{at}.containers[{index}][{name}].limits", amount, message)


def validate_claims(errors: Errors, claims: Iterable[Obj] | None, path: str, *, mirror: bool) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(claims or ()):
        at, name = f"{path}[{index}]", claim.get("name", "")
        if mirror:
            errors.forbidden("[]", "static pods do not support resource claims")
            continue
        if not name:
            errors.required(f"{at}.name")
        elif name in seen:
            errors.duplicate(f"{at}.name", name)
        else:
            errors.invalid_each(f"{at}.name", name, names.dns1123_label(name))
            seen.add(name)
        direct, template = claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName")
        if direct is not None and template is not None:
            message = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.invalid(at, claim, message)
        if direct is None and template is None:
            message = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.invalid(at, claim, message)
        for field, value in (("resourceClaimName", direct), ("resourceClaimTemplateName", template)):
            if value is not None:
                errors.invalid_each(f"{at}.{field}", value, names.dns1123_subdomain(value))
