"""What device classes, claims and slices share: selectors, settings, tolerations, taints, qualified names.

Selectors in CEL are looked at for being there, not compiled. Source: KEP-4381, KEP-5055.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from api.validation.errors import Errors
from api.validation.parameters import validate_driver_name
from machinery import names

Obj = dict[str, Any]

MAX_SELECTORS = MAX_CONFIGS = MAX_REQUESTS = MAX_CONSTRAINTS = 32
MAX_TOLERATIONS = MAX_TAINTS = 16
_MAX_EXPRESSION, _MAX_PARAMETERS, _MAX_POOL = 10 * 1024, 10 * 1024, 253
_MAX_ID, _MAX_BINDING = 32, 4
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EFFECTS = ("NoExecute", "NoSchedule", "None")


def each_of(
    errors: Errors, items: list[Any] | None, most: int, path: str, judge: Callable[[Any, str], None]
) -> bool:
    """Judges every item of a list that holds at most so many. False where there are more: then none is looked at."""
    items = items or []
    if len(items) > most:
        errors.too_many(path, len(items), most)
        return False
    for index, item in enumerate(items):
        judge(item, f"{path}[{index}]")
    return True


def unique(errors: Errors, keys: Iterable[Any], path: str) -> None:
    """No key appears twice; an error names the second."""
    seen: list[Any] = []
    for index, key in enumerate(keys):
        if key in seen:
            errors.duplicate(f"{path}[{index}]", key)
        seen.append(key)


def each_once(
    errors: Errors,
    items: list[Any] | None,
    most: int,
    path: str,
    judge: Callable[[Any, str], None],
    key: Callable[[Any], Any],
) -> None:
    """As `each_of`, and no two items have the same key."""
    if each_of(errors, items, most, path, judge):
        unique(errors, [key(each) for each in items or ()], path)


def name_of(item: Obj) -> str:
    name: str = item.get("name", "")
    return name


def validate_label(errors: Errors, name: str, path: str) -> None:
    errors.invalid_each(path, name, names.dns1123_label(name))


def validate_needed_label(errors: Errors, name: str, path: str) -> None:
    if not name:
        errors.required(path)
    else:
        validate_label(errors, name, path)


def validate_uid(errors: Errors, uid: str, path: str) -> None:
    if _UID.fullmatch(uid.lower()) is None:
        errors.invalid(path, uid, f"error validating uid: invalid UUID length: {len(uid)}")
    elif uid != uid.lower():
        message = (
            "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase "
            "hexadecimal characters"
        )
        errors.invalid(path, uid, message)


def validate_pool(errors: Errors, name: str, path: str) -> None:
    if not name:
        errors.required(path)
        return
    if len(name) > _MAX_POOL:
        errors.too_long(path, _MAX_POOL)
    for part in name.split("/"):
        errors.invalid_each(path, part, names.dns1123_subdomain(part))


def validate_qualified(errors: Errors, name: str, path: str, *, fully: bool = False) -> None:
    """`domain/identifier`; without `fully` the domain may be left out. Of more slashes nothing is said, as upstream."""
    parts = name.split("/")
    if len(parts) == 1:
        _validate_identifier(errors, name, path)
        if fully:
            message = "a fully qualified name must be a domain and a name separated by a slash"
            errors.invalid(path, name, message)
    elif len(parts) == 2:
        if not parts[0]:
            errors.invalid(path, "", "the domain must not be empty")
        else:
            validate_driver_name(errors, parts[0], path)
        if not parts[1]:
            errors.invalid(path, "", "the name must not be empty")
        else:
            _validate_identifier(errors, parts[1], path)


def _validate_identifier(errors: Errors, name: str, path: str) -> None:
    if len(name) > _MAX_ID:
        errors.too_long(path, _MAX_ID)
    errors.invalid_each(path, name, names.c_identifier(name))


def validate_binding_conditions(errors: Errors, item: Obj, path: str) -> None:
    """When a device that was allocated is ready, and when it never will be."""
    good, bad = item.get("bindingConditions") or [], item.get("bindingFailureConditions") or []
    for field, found in (("bindingConditions", good), ("bindingFailureConditions", bad)):
        each_of(errors, found, _MAX_BINDING, f"{path}.{field}", lambda each, at: _condition(errors, each, at))
    unique(errors, good, f"{path}.bindingConditions")
    for index, each in enumerate(bad):
        at = f"{path}.bindingFailureConditions[{index}]"
        if each in bad[:index]:
            errors.duplicate(at, each)
        if each in good:
            errors.invalid(at, each, "bindingFailureConditions must not overlap with bindingConditions")
    if bad and not good:
        message = "bindingConditions are required to use bindingFailureConditions"
        errors.invalid(f"{path}.bindingConditions", None, message)
    if good and not bad:
        message = "bindingFailureConditions are required to use bindingConditions"
        errors.invalid(f"{path}.bindingFailureConditions", None, message)


def _condition(errors: Errors, name: str, path: str) -> None:
    errors.invalid_each(path, name, names.qualified_name(name))


def validate_selectors(errors: Errors, selectors: list[Obj] | None, path: str) -> None:
    def judge(selector: Obj, at: str) -> None:
        cel = selector.get("cel")
        if cel is None:
            errors.required(f"{at}.cel")
            return
        expression = cel.get("expression", "")
        if not expression.strip():
            errors.required(f"{at}.cel.expression")
        elif len(expression) > _MAX_EXPRESSION:
            errors.too_long(f"{at}.cel.expression", _MAX_EXPRESSION)

    each_of(errors, selectors, MAX_SELECTORS, path, judge)


def validate_configuration(errors: Errors, config: Obj, path: str) -> None:
    opaque = config.get("opaque")
    if opaque is None:
        errors.required(f"{path}.opaque")
        return
    validate_driver_name(errors, opaque.get("driver", ""), f"{path}.opaque.driver")
    validate_raw(errors, opaque.get("parameters"), f"{path}.opaque.parameters", _MAX_PARAMETERS)


def validate_raw(errors: Errors, value: Any, path: str, most: int) -> None:
    if value is None:
        errors.required(path)
    elif len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()) > most:
        errors.too_long(path, most)
    elif not isinstance(value, dict):
        errors.invalid(path, "<value omitted>", "must be a valid JSON object")


def validate_tolerations(errors: Errors, tolerations: list[Obj] | None, path: str) -> None:
    def judge(each: Obj, at: str) -> None:
        key, operator = each.get("key", ""), each.get("operator", "")
        if key:
            errors.invalid_each(f"{at}.key", key, names.qualified_name(key))
        if operator == "Exists":
            if each.get("value"):
                message = "must be empty for operator `Exists`"
                errors.invalid(f"{at}.value", each["value"], message)
        elif operator == "Equal":
            errors.invalid_each(
                f"{at}.value", each.get("value", ""), names.label_value(each.get("value", ""))
            )
        else:
            errors.one_of(f"{at}.operator", operator, ("Equal", "Exists"), required=True)
        effect = each.get("effect")
        if effect:
            errors.one_of(f"{at}.effect", effect, _EFFECTS)

    each_of(errors, tolerations, MAX_TOLERATIONS, path, judge)


def validate_taints(errors: Errors, taints: list[Obj] | None, path: str) -> None:
    def judge(taint: Obj, at: str) -> None:
        key, value = taint.get("key", ""), taint.get("value", "")
        errors.invalid_each(f"{at}.key", key, names.qualified_name(key))
        if value:
            errors.invalid_each(f"{at}.value", value, names.label_value(value))
        errors.one_of(f"{at}.effect", taint.get("effect"), _EFFECTS, required=True)

    each_of(errors, taints, MAX_TAINTS, path, judge)


def default_tolerations(request: Obj) -> None:
    for each in request.get("tolerations") or ():
        if not each.get("operator"):
            each["operator"] = "Equal"
