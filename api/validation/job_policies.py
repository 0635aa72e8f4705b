"""What the failures and successes of a job's pods mean: podFailurePolicy and successPolicy.

Source: KEP-3329, KEP-3998.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from api.validation.errors import Errors
from api.validation.job_indexes import NotIndexes, intervals
from machinery import names
from machinery.field_errors import OMITTED, quote

Obj = dict[str, Any]

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_STATUSES = ("False", "True", "Unknown")
_MAX_RULES = 20
_MAX_CODES = 255
_MAX_PATTERNS = 20
_MAX_INDEXES_BYTES = 64 * 1024


def validate_failure_policy(errors: Errors, spec: Obj, pod: Obj, path: str) -> None:
    policy = spec.get("podFailurePolicy")
    if policy is None:
        return
    containers = {
        each.get("name", "") for part in ("containers", "initContainers") for each in pod.get(part) or ()
    }
    rules = policy.get("rules") or []
    if len(rules) > _MAX_RULES:
        errors.too_many(f"{path}.rules", len(rules), _MAX_RULES)
    for index, rule in enumerate(rules):
        at, action = f"{path}.rules[{index}]", rule.get("action")
        if action == "FailIndex":
            if spec.get("backoffLimitPerIndex") is None:
                errors.invalid(f"{at}.action", action, "requires the backoffLimitPerIndex to be set")
        else:
            _validate_choice(errors, f"{at}.action", action, _ACTIONS)
        codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions") or []
        if codes is not None:
            _validate_codes(errors, codes, containers, f"{at}.onExitCodes")
        _validate_patterns(errors, patterns, f"{at}.onPodConditions")
        if codes is not None and patterns:
            both = "specifying both OnExitCodes and OnPodConditions is not supported"
            errors.invalid(at, OMITTED, both)
        if codes is None and not patterns:
            neither = "specifying one of OnExitCodes and OnPodConditions is required"
            errors.invalid(at, OMITTED, neither)


def _validate_choice(errors: Errors, path: str, value: str | None, choices: tuple[str, ...]) -> None:
    if not value:
        errors.required(path, f"valid values: [{' '.join(quote(each) for each in choices)}]")
    elif value not in choices:
        errors.not_supported(path, value, choices)


def _validate_codes(errors: Errors, codes: Obj, containers: set[str], path: str) -> None:
    operator, values = codes.get("operator"), codes.get("values") or []
    _validate_choice(errors, f"{path}.operator", operator, ("In", "NotIn"))
    container = codes.get("containerName")
    if container is not None and container not in containers:
        message = "must be one of the container or initContainer names in the pod template"
        errors.invalid(f"{path}.containerName", container, message)
    if not values:
        errors.invalid(f"{path}.values", values or None, "at least one value is required")
    elif len(values) > _MAX_CODES:
        errors.too_many(f"{path}.values", len(values), _MAX_CODES)
    seen: set[int] = set()
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            errors.invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator")
        if value in seen:
            errors.duplicate(f"{path}.values[{index}]", value)
        seen.add(value)
    if any(one > next_one for one, next_one in pairwise(values)):
        errors.invalid(f"{path}.values", values, "must be ordered")


def _validate_patterns(errors: Errors, patterns: list[Obj], path: str) -> None:
    if len(patterns) > _MAX_PATTERNS:
        errors.too_many(path, len(patterns), _MAX_PATTERNS)
    for index, pattern in enumerate(patterns):
        kind = pattern.get("type", "")
        errors.invalid_each(f"{path}[{index}].type", kind, names.qualified_name(kind))
        _validate_choice(errors, f"{path}[{index}].status", pattern.get("status"), _STATUSES)


def validate_success_policy(errors: Errors, spec: Obj, path: str) -> None:
    policy = spec.get("successPolicy")
    if policy is None:
        return
    if spec.get("completionMode") != "Indexed":
        errors.invalid(path, policy, "requires indexed completion mode")
        return
    rules = policy.get("rules") or []
    if not rules:
        errors.required(
            f"{path}.rules", "at least one rules must be specified when the successPolicy is specified"
        )
    if len(rules) > _MAX_RULES:
        errors.too_many(f"{path}.rules", len(rules), _MAX_RULES)
    completions = spec.get("completions") or 0
    for index, rule in enumerate(rules):
        _validate_success_rule(errors, rule, completions, f"{path}.rules[{index}]")


def _validate_success_rule(errors: Errors, rule: Obj, completions: int, path: str) -> None:
    count, text = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and text is None:
        errors.required(path, "at least one of succeededCount or succeededIndexes must be specified")
    total = 0
    if text is not None:
        if len(text) > _MAX_INDEXES_BYTES:
            errors.too_long(f"{path}.succeededIndexes", _MAX_INDEXES_BYTES)
        try:
            total = sum(last - first + 1 for first, last in intervals(text, completions))
        except NotIndexes as bad:
            errors.invalid(f"{path}.succeededIndexes", text, f"error parsing succeededIndexes: {bad}")
    if count is None:
        return
    at = f"{path}.succeededCount"
    errors.non_negative(at, count)
    if count > completions:
        message = f"must be less than or equal to {completions} (the number of specified completions)"
        errors.invalid(at, count, message)
    if text is not None and count > total:
        message = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        errors.invalid(at, count, message)
