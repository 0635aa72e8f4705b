"""What kinds with a pod template share: selector against template, counts that may be percentages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from api.validation.errors import Errors
from api.validation.pod_warnings import pod_warnings
from api.validation.podspec import validate_template
from machinery import integers, names
from machinery.selectors.labels import label_selector_of, validate_label_selector

Obj = dict[str, Any]

_DNS_NAME = (
    "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; "
    "a DNS label is recommended"
)


def validate_replicated(errors: Errors, spec: Obj, path: str, old: Obj | None) -> None:
    """Selector and template of a Deployment or ReplicaSet: a selector that selects something, the template's own pods."""
    template = spec.get("template") or {}
    if not validate_selector(errors, spec, path, "deployment", unreadable="invalid label selector"):
        return
    validate_template(errors, template, f"{path}.template", template_of(old))
    validate_runs_forever(errors, template.get("spec") or {}, f"{path}.template.spec")


def template_of(spec: Obj | None) -> Obj | None:
    """The template of the spec that a new one follows upon; None for a new object."""
    return None if spec is None else spec.get("template") or {}


def validate_selector(errors: Errors, spec: Obj, path: str, noun: str, *, unreadable: str) -> bool:
    """False where it cannot be read: then nothing is said of the template."""
    selector = spec.get("selector")
    wrong = validate_label_selector(selector, f"{path}.selector")
    if selector is None:
        errors.required(f"{path}.selector")
    errors.causes += wrong
    if selector is not None and not selector.get("matchLabels") and not selector.get("matchExpressions"):
        errors.invalid(f"{path}.selector", selector, f"empty selector is invalid for {noun}")
    if wrong:
        errors.invalid(f"{path}.selector", selector, unreadable)
        return False
    validate_selects_own(errors, spec, path)
    return True


def validate_selects_own(errors: Errors, spec: Obj, path: str) -> None:
    """A readable selector selects the template's pods; an absent one selects nothing."""
    selector = spec.get("selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if selector is None or not label_selector_of(selector).matches(labels):
        at = f"{path}.template.metadata.labels"
        errors.invalid(at, labels, "`selector` does not match template `labels`")


def validate_runs_forever(errors: Errors, spec: Obj, path: str, noun: str = "ReplicaSet") -> None:
    """Pods of this template are replaced whenever they end."""
    if spec.get("restartPolicy", "Always") != "Always":
        errors.not_supported(f"{path}.restartPolicy", spec["restartPolicy"], ("Always",))
    if spec.get("activeDeadlineSeconds") is not None:
        errors.forbidden(f"{path}.activeDeadlineSeconds", f"activeDeadlineSeconds in {noun} is not Supported")


def validate_int_or_percent(errors: Errors, path: str, value: int | str) -> int:
    """Checks a count or a percentage; returns its number, 0 where it is neither."""
    if not isinstance(value, str):
        errors.non_negative(path, value)
        return value
    wrong = names.percent(value)
    errors.invalid_each(path, value, wrong)
    return int(value[:-1]) if not wrong else integers.parse(value) or 0


def validate_at_most_all(errors: Errors, path: str, value: int | str) -> None:
    """A percentage is at most 100%."""
    if isinstance(value, str) and not names.percent(value) and int(value[:-1]) > 100:
        errors.invalid(path, value, "must not be greater than 100%")


def validate_collisions(errors: Errors, status: Obj, old: Obj) -> None:
    """How often a name was taken is never forgotten."""
    collisions = status.get("collisionCount") or 0
    if collisions < (old.get("collisionCount") or 0):
        errors.invalid("status.collisionCount", collisions, "cannot be decremented")


def validate_counts(errors: Errors, status: Obj, total: str, parts: Iterable[str]) -> None:
    """None is negative, and no part is more than the total."""
    parts = tuple(parts)
    for field in (total, *parts, "observedGeneration", "collisionCount"):
        errors.non_negative(f"status.{field}", status.get(field))
    for field in parts:
        if status.get(field, 0) > status.get(total, 0):
            errors.invalid(f"status.{field}", status.get(field, 0), f"cannot be greater than status.{total}")


def name_warnings(obj: Obj, old: Obj | None) -> Sequence[str]:
    """Advice on the name of a new object, of which pods are named."""
    wrong = () if old is not None else names.dns1123_label(obj["metadata"].get("name", ""))
    return (f"{_DNS_NAME}: [{' '.join(wrong)}]",) if wrong else ()


def template_warnings(template: Obj | None, old: Obj | None, path: str) -> Sequence[str]:
    """Advice on a pod template at `path`, unless it stays as it was. `old` is None for a new object."""
    if template is None or template == old:
        return ()
    return pod_warnings(template.get("spec") or {}, f"{path}.spec", template.get("metadata"))
