"""What kinds with a pod template share: selector against template, counts that may be percentages."""

from __future__ import annotations

from typing import Any

from api.validation.errors import Errors
from api.validation.podspec import validate_template
from machinery import names
from machinery.selectors.labels import label_selector_of, validate_label_selector

Obj = dict[str, Any]


def validate_selector_and_template(errors: Errors, spec: Obj, path: str) -> None:
    """spec.selector must be there, select something, and select the template's own pods."""
    selector, template = spec.get("selector"), spec.get("template") or {}
    found = len(errors.causes)
    if selector is None:
        errors.required(f"{path}.selector")
    else:
        errors.causes += validate_label_selector(selector, f"{path}.selector")
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            errors.invalid(f"{path}.selector", selector, "empty selector is invalid for deployment")
    labels = (template.get("metadata") or {}).get("labels") or {}
    if (
        selector is not None
        and len(errors.causes) == found
        and not label_selector_of(selector).matches(labels)
    ):
        errors.invalid(
            f"{path}.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )
    validate_template(errors, template, f"{path}.template")
    template_spec = template.get("spec") or {}
    if template_spec.get("restartPolicy", "Always") != "Always":
        errors.not_supported(
            f"{path}.template.spec.restartPolicy", template_spec["restartPolicy"], ("Always",)
        )
    if template_spec.get("activeDeadlineSeconds") is not None:
        message = "activeDeadlineSeconds in ReplicaSet is not Supported"
        errors.forbidden(f"{path}.template.spec.activeDeadlineSeconds", message)


def validate_int_or_percent(errors: Errors, path: str, value: int | str) -> int | None:
    """Checks a count or a percentage; returns its number, None where it is neither."""
    if isinstance(value, str):
        bad = names.percent(value)
        errors.invalid_each(path, value, bad)
        return None if bad else int(value[:-1])
    errors.non_negative(path, value)
    return value
