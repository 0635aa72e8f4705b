"""Conditions in the form that newer kinds share (metav1.Condition): what is true of an object, since when and why."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from api.validation.errors import Errors
from machinery import names

Obj = dict[str, Any]

_STATUSES = ("False", "True", "Unknown")
_REASON = r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_WRONG_REASON = names.regex_error(
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters "
    "or '_,:', and must end with an alphanumeric character or '_'",
    _REASON,
    "my_name",
    "MY_NAME",
    "MyName",
    "ReasonA,ReasonB",
    "ReasonA:ReasonB",
)
_MAX_REASON, _MAX_MESSAGE = 1024, 32 * 1024


def validate_conditions(errors: Errors, conditions: Iterable[Obj], path: str) -> None:
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at, kind = f"{path}[{index}]", condition.get("type", "")
        if kind in seen:
            errors.duplicate(f"{at}.type", kind)
        seen.add(kind)
        errors.invalid_each(f"{at}.type", kind, names.qualified_name(kind))
        if condition.get("status") not in _STATUSES:
            errors.not_supported(f"{at}.status", condition.get("status", ""), _STATUSES)
        if (condition.get("observedGeneration") or 0) < 0:
            said = "must be greater than or equal to zero"
            errors.invalid(f"{at}.observedGeneration", condition["observedGeneration"], said)
        if not condition.get("lastTransitionTime"):
            errors.required(f"{at}.lastTransitionTime")
        _validate_reason(errors, condition.get("reason", ""), f"{at}.reason")
        if len(condition.get("message", "").encode()) > _MAX_MESSAGE:
            errors.too_long(f"{at}.message", _MAX_MESSAGE)


def _validate_reason(errors: Errors, reason: str, path: str) -> None:
    if not reason:
        errors.required(path)
        return
    if re.fullmatch(_REASON, reason) is None:
        errors.invalid(path, reason, _WRONG_REASON)
    if len(reason.encode()) > _MAX_REASON:
        errors.too_long(path, _MAX_REASON)
