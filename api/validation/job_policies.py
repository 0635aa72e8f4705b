"""What the failures and successes of a job's pods mean: podFailurePolicy and successPolicy.

Source: KEP-3329, KEP-3998.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from api.validation.errors import Errors
from machinery import integers, names

Obj = dict[str, Any]

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_STATUSES = ("False", "True", "Unknown")
_MAX_RULES = 20
_MAX_CODES = 255
_MAX_PATTERNS = 20


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
        return
    for index, rule in enumerate(rules):
        at, action = f"{path}.rules[{index}]", rule.get("action")
        errors.one_of(f"{at}.action", action, _ACTIONS, required=True)
        if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
            message = "requires the backoffLimitPerIndex to be set"
            errors.invalid(f"{at}.action", action, message)
        codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions") or []
        if codes is not None:
            _validate_codes(errors, codes, containers, f"{at}.onExitCodes")
        _validate_patterns(errors, patterns, f"{at}.onPodConditions")
        if codes is not None and patterns:
            errors.invalid(at, rule, "specifying both OnExitCodes and OnPodConditions is not supported")
        if codes is None and not patterns:
            errors.invalid(at, rule, "specifying one of OnExitCodes and OnPodConditions is required")


def _validate_codes(errors: Errors, codes: Obj, containers: set[str], path: str) -> None:
    operator, values = codes.get("operator"), codes.get("values") or []
    errors.one_of(f"{path}.operator", operator, ("In", "NotIn"), required=True)
    container = codes.get("containerName")
    if container is not None and container not in containers:
        message = "must be one of the container or initContainer names in the pod template"
        errors.invalid(f"{path}.containerName", container, message)
    if not values:
        errors.invalid(f"{path}.values", values, "at least one value is required")
    elif len(values) > _MAX_CODES:
        errors.too_many(f"{path}.values", len(values), _MAX_CODES)
    ordered = True
    seen: set[int] = set()
    for index, value in enumerate(values[: _MAX_CODES + 1]):
        if operator == "In" and value == 0:
            errors.invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator")
        if value in seen:
            errors.duplicate(f"{path}.values[{index}]", value)
        seen.add(value)
    for one, next_one in pairwise(values):
        ordered = ordered and one <= next_one
    if not ordered:
        errors.invalid(f"{path}.values", values, "must be ordered")


def _validate_patterns(errors: Errors, patterns: list[Obj], path: str) -> None:
    if len(patterns) > _MAX_PATTERNS:
        errors.too_many(path, len(patterns), _MAX_PATTERNS)
        return
    for index, pattern in enumerate(patterns):
        kind = pattern.get("type", "")
        errors.invalid_each(f"{path}[{index}].type", kind, names.qualified_name(kind))
        errors.one_of(f"{path}[{index}].status", pattern.get("status"), _STATUSES, required=True)


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
        return
    completions = spec.get("completions") or 0
    for index, rule in enumerate(rules):
        _validate_success_rule(errors, rule, completions, f"{path}.rules[{index}]")


def _validate_success_rule(errors: Errors, rule: Obj, completions: int, path: str) -> None:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        errors.required(path, "at least one of succeededCount or succeededIndexes must be specified")
    total = None
    if indexes is not None:
        total, wrong = _indexes(indexes, completions)
        if wrong:
            errors.invalid(f"{path}.succeededIndexes", indexes, f"error parsing succeededIndexes: {wrong}")
    if count is None:
        return
    errors.positive(f"{path}.succeededCount", count)
    if count > completions:
        message = f"must be less than or equal to {completions} (the number of specified completions)"
        errors.invalid(f"{path}.succeededCount", count, message)
    if total is not None and count > total:
        message = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        errors.invalid(f"{path}.succeededCount", count, message)


def _indexes(text: str, completions: int) -> tuple[int | None, str]:
    """How many indexes `0,2-4` names, and what is wrong with it."""
    total, previous = 0, -1
    for part in text.split(","):
        ends = part.split("-")
        if len(ends) > 2:
            return (
                None,
                f"the fragment \"{part}\" violates the requirement that an index interval can have at most two parts separated by '-'",
            )
        numbers = [integers.parse(end, (0, 2**31 - 1)) for end in ends if end[:1].isdigit()]
        if len(numbers) < len(ends) or None in numbers:
            return None, f'cannot convert string to integer for index: "{part}"'
        first, last = int(ends[0]), int(ends[-1])
        if last >= completions:
            return None, f"too large index: {part}"
        if first <= previous or last < first or (len(ends) == 2 and first == last):
            return None, f"non-increasing order, previous: {previous}, current: {first}"
        total, previous = total + last - first + 1, last
    return total, ""
