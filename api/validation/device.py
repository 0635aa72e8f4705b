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
_MAX_DOMAIN, _MAX_ID = 63, 32
_C_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EFFECTS = ("NoExecute", "NoSchedule", "None")


def each_of(
    errors: Errors, items: list[Any] | None, most: int, path: str, judge: Callable[[Any, str], None]
) -> None:
    """Judges every item of a list that holds at most so many."""
    items = items or []
    if len(items) > most:
        errors.too_many(path, len(items), most)
    for index, item in enumerate(items):
        judge(item, f"{path}[{index}]")


def unique(errors: Errors, keys: Iterable[Any], path: str, field: str = "") -> None:
    """No key appears twice; an error names the second."""
    seen: list[Any] = []
    for index, key in enumerate(keys):
        if key in seen:
            errors.duplicate(f"{path}[{index}]{field}", key)
        seen.append(key)


def validate_label(errors: Errors, name: str, path: str) -> None:
    if not name:
        errors.required(path)
    else:
        errors.invalid_each(path, name, names.dns1123_label(name))


def validate_pool(errors: Errors, name: str, path: str) -> None:
    if not name:
        errors.required(path)
        return
    if len(name) > _MAX_POOL:
        errors.too_long(path, _MAX_POOL)
    for part in name.split("/"):
        errors.invalid_each(path, part, names.dns1123_subdomain(part))


def validate_qualified(errors: Errors, name: str, path: str, *, fully: bool = False) -> None:
    """`domain/identifier`; without `fully` the domain may be left out."""
    if not name:
        errors.required(path, "name required")
        return
    domain, slash, last = name.rpartition("/")
    if "/" in domain:
        errors.invalid(path, name, "a valid qualified name has at most one '/'")
        return
    if fully and not slash:
        errors.invalid(path, name, "must include a domain")
    if slash:
        if not domain:
            errors.required(path, "the domain must not be empty")
        elif len(domain) > _MAX_DOMAIN:
            errors.too_long(path, _MAX_DOMAIN)
        else:
            errors.invalid_each(path, domain, names.dns1123_subdomain(domain))
    if not last:
        errors.required(path, "the name must not be empty")
    elif len(last) > _MAX_ID:
        errors.too_long(path, _MAX_ID)
    elif not _C_IDENTIFIER.fullmatch(last):
        errors.invalid_each(path, last, names.c_identifier(last))


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
    if not value:
        errors.required(path)
    elif not isinstance(value, dict):
        errors.invalid(path, value, "parameters must be a valid JSON object")
    elif len(json.dumps(value, separators=(",", ":"))) > most:
        errors.too_long(path, most)


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
            if not key:
                errors.required(f"{at}.key", "must be set for operator `Equal`")
        else:
            errors.one_of(f"{at}.operator", operator, ("Equal", "Exists"), required=True)
        effect = each.get("effect")
        if effect:
            errors.one_of(f"{at}.effect", effect, ("NoExecute", "NoSchedule"))

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
