"""Which requests admission is about, in webhooks and in policies: operations, kinds, selectors, conditions.

Expressions in CEL are only looked at for being there; nothing here compiles them.
"""

from __future__ import annotations

from typing import Any

from api.validation.errors import Errors
from machinery import names
from machinery.selectors.labels import validate_label_selector

Obj = dict[str, Any]

_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_MAX_CONDITIONS = 64


def validate_operations(errors: Errors, rule: Obj, path: str) -> None:
    """A RuleWithOperations."""
    operations = rule.get("operations") or []
    if not operations:
        errors.required(f"{path}.operations")
    if len(operations) > 1 and "*" in operations:
        message = "if '*' is present, must not specify other operations"
        errors.invalid(f"{path}.operations", operations, message)
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            errors.not_supported(f"{path}.operations[{index}]", operation, _OPERATIONS)
    for field, words in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(field) or []
        if not values:
            errors.required(f"{path}.{field}")
        if len(values) > 1 and "*" in values:
            errors.invalid(f"{path}.{field}", values, f"if '*' is present, must not specify other {words}")
    for index, version in enumerate(rule.get("apiVersions") or ()):
        if not version:
            errors.required(f"{path}.apiVersions[{index}]")
    _validate_resources(errors, rule.get("resources") or [], f"{path}.resources")
    if rule.get("scope") is not None and rule["scope"] not in _SCOPES:
        errors.not_supported(f"{path}.scope", rule["scope"], _SCOPES)


def _validate_resources(errors: Errors, resources: list[str], path: str) -> None:
    if not resources:
        errors.required(path)
    wild_subs: set[str] = set()
    wild_resources: set[str] = set()
    plain = False
    for index, each in enumerate(resources):
        at = f"{path}[{index}]"
        if not each:
            errors.required(at)
            continue
        resource, slash, sub = each.partition("/")
        if not slash:
            plain = plain or each != "*"
            continue
        if resource in wild_subs:
            errors.invalid(at, each, f"if '{resource}/*' is present, must not specify {each}")
        if sub in wild_resources:
            errors.invalid(at, each, f"if '*/{sub}' is present, must not specify {each}")
        if sub == "*":
            wild_subs.add(resource)
        if resource == "*":
            wild_resources.add(sub)
    if len(resources) > 1 and "*/*" in resources:
        errors.invalid(path, resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and plain:
        message = "if '*' is present, must not specify other resources without subresources"
        errors.invalid(path, resources, message)


def validate_match_conditions(errors: Errors, conditions: list[Obj], path: str) -> None:
    if len(conditions) > _MAX_CONDITIONS:
        errors.too_many(path, len(conditions), _MAX_CONDITIONS)
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at, name = f"{path}[{index}]", condition.get("name", "")
        if not condition.get("expression", "").strip():
            errors.required(f"{at}.expression")
        if not name:
            errors.required(f"{at}.name")
        else:
            errors.invalid_each(f"{at}.name", name, names.qualified_name(name))
            if name in seen:
                errors.duplicate(f"{at}.name", name)
            seen.add(name)


def default_match_resources(match: Obj | None) -> None:
    if match is None:
        return
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for field in ("resourceRules", "excludeResourceRules"):
        for rule in match.get(field) or ():
            rule.setdefault("scope", "*")


def validate_match_resources(errors: Errors, match: Obj, path: str) -> None:
    errors.one_of(f"{path}.matchPolicy", match.get("matchPolicy"), ("Equivalent", "Exact"), required=True)
    for selector in ("namespaceSelector", "objectSelector"):
        if match.get(selector) is None:
            errors.required(f"{path}.{selector}")
        errors.causes += validate_label_selector(match.get(selector), f"{path}.{selector}")
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(match.get(field) or ()):
            at = f"{path}.{field}[{index}]"
            for position, name in enumerate(rule.get("resourceNames") or ()):
                errors.invalid_each(f"{at}.resourceNames[{position}]", name, names.path_segment(name))
                if name in rule["resourceNames"][:position]:
                    errors.duplicate(f"{at}.resourceNames[{position}]", name)
            validate_operations(errors, rule, at)
