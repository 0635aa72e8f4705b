"""Whether a question about access can be answered: who, and exactly one thing; the selectors it is limited to.

Operators of selectors that nobody here knows are let be: a newer server may ask in another's name. Source: KEP-4601.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]


def validate_access_review(review: Obj, *, names_user: bool, local: bool) -> Sequence[Cause]:
    """`names_user`: it says whom it is about. `local`: it is about the namespace that it is sent to."""
    errors = Errors()
    spec, meta = review.get("spec") or {}, review.get("metadata") or {}
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and other is not None:
        message = "cannot be specified in combination with resourceAttributes"
        errors.invalid("spec.nonResourceAttributes", other, message)
    elif resource is None and other is None:
        message = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        errors.invalid("spec.resourceAttributes", None, message)
    if names_user and not spec.get("user") and not spec.get("groups"):
        errors.invalid("spec.user", "", "at least one of user or group must be specified")
    for field in ("fieldSelector", "labelSelector"):
        selector = (resource or {}).get(field)
        if selector is not None:
            _validate_selector(errors, selector, f"spec.resourceAttributes.{field}", field == "labelSelector")
    allowed = {"managedFields", "namespace"} if local else {"managedFields"}
    if {key for key, value in meta.items() if value} - allowed:
        errors.invalid("metadata", meta, "must be empty except for namespace" if local else "must be empty")
    if local:
        _validate_local(errors, resource, other, meta.get("namespace", ""))
    return errors.causes


def _validate_local(errors: Errors, resource: Obj | None, other: Obj | None, namespace: str) -> None:
    if resource is not None and resource.get("namespace", "") != namespace:
        asked = resource.get("namespace", "")
        errors.invalid("spec.resourceAttributes.namespace", asked, "must match metadata.namespace")
    if other is not None:
        errors.invalid("spec.nonResourceAttributes", other, "disallowed on this kind of request")


def _validate_selector(errors: Errors, selector: Obj, path: str, of_labels: bool) -> None:
    raw, requirements = selector.get("rawSelector", ""), selector.get("requirements") or []
    if raw and requirements:
        errors.invalid(f"{path}.rawSelector", raw, "may not specified at the same time as requirements")
    if not raw and not requirements:
        message = f"when {path} is specified, requirements or rawSelector is required"
        errors.required(f"{path}.requirements", message)
    for index, each in enumerate(requirements):
        _validate_requirement(errors, each, f"{path}.requirements[{index}]", of_labels)


def _validate_requirement(errors: Errors, requirement: Obj, path: str, of_labels: bool) -> None:
    key, operator = requirement.get("key", ""), requirement.get("operator", "")
    values = requirement.get("values") or []
    if not key and not of_labels:
        errors.required(f"{path}.key", "must be specified")
    if operator in ("In", "NotIn") and not values:
        errors.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    if operator in ("Exists", "DoesNotExist") and values:
        message = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        errors.forbidden(f"{path}.values", message)
    if of_labels:
        errors.invalid_each(f"{path}.key", key, names.qualified_name(key))
        for index, value in enumerate(values):
            errors.invalid_each(f"{path}.values[{index}]", value, names.label_value(value))
