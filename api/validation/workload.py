"""What kinds with a pod template share: selector against template, counts that may be percentages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from api.validation.errors import Errors
from api.validation.pod_warnings import pod_warnings
from api.validation.podspec import validate_template
from machinery import names
from machinery.selectors.labels import label_selector_of, validate_label_selector

Obj = dict[str, Any]


def validate_selector_and_template(errors: Errors, spec: Obj, path: str, *, noun: str = "deployment") -> None:
    """spec.selector must be there, select something, and select the template's own pods."""
    template = spec.get("template") or {}
    validate_selector(errors, spec, path, f"empty selector is invalid for {noun}")
    validate_template(errors, template, f"{path}.template")
    validate_runs_forever(errors, template.get("spec") or {}, f"{path}.template.spec")


def validate_selector(errors: Errors, spec: Obj, path: str, empty: str) -> None:
    selector = spec.get("selector")
    found = len(errors.causes)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    unmatched = f"{path}.template.metadata.labels", labels, "`selector` does not match template `labels`"
    if selector is None:
        errors.required(f"{path}.selector")
        errors.invalid(*unmatched)  # an absent selector selects nothing
        return
    errors.causes += validate_label_selector(selector, f"{path}.selector")
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        errors.invalid(f"{path}.selector", selector, empty)
    if len(errors.causes) == found and not label_selector_of(selector).matches(labels):
        errors.invalid(*unmatched)


def validate_runs_forever(errors: Errors, spec: Obj, path: str, noun: str = "ReplicaSet") -> None:
    """Pods of this template are replaced whenever they end."""
    if spec.get("restartPolicy", "Always") != "Always":
        errors.not_supported(f"{path}.restartPolicy", spec["restartPolicy"], ("Always",))
    if spec.get("activeDeadlineSeconds") is not None:
        errors.forbidden(f"{path}.activeDeadlineSeconds", f"activeDeadlineSeconds in {noun} is not Supported")


def validate_int_or_percent(errors: Errors, path: str, value: int | str) -> int | None:
    """Checks a count or a percentage; returns its number, None where it is neither."""
    if isinstance(value, str):
        bad = names.percent(value)
        errors.invalid_each(path, value, bad)
        return None if bad else int(value[:-1])
    errors.non_negative(path, value)
    return value


def validate_at_most_all(errors: Errors, path: str, value: int | str, number: int | None) -> None:
    """A percentage is at most 100%."""
    if isinstance(value, str) and number is not None and number > 100:
        errors.invalid(path, value, "must not be greater than 100%")


def validate_counts(errors: Errors, status: Obj, total: str, parts: Iterable[str]) -> None:
    """None is negative, and no part is more than the total."""
    parts = tuple(parts)
    for field in (total, *parts, "observedGeneration", "collisionCount"):
        errors.non_negative(f"status.{field}", status.get(field))
    for field in parts:
        if status.get(field, 0) > status.get(total, 0):
            errors.invalid(f"status.{field}", status[field], f"cannot be greater than status.{total}")


def template_warnings(template: Obj | None, old: Obj | None, path: str) -> Sequence[str]:
    """Advice on a pod template at `path`, unless it stays as it was. `old` is None for a new object."""
    if template is None or template == old:
        return ()
    return pod_warnings(template.get("spec") or {}, f"{path}.spec", template.get("metadata"))
