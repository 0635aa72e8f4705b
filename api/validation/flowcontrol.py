"""Flow schemas: which requests belong to which priority level.

Source: Kubernetes "API Priority and Fairness".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_MAX_PRECEDENCE = 10_000
_MEMBER = "each member of this list must be '*' or a DNS-1123 label; "
_SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
_EVERYTHING = {
    "resourceRules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    ],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}
# What these two say is fixed: the server could not do without them.
_MANDATORY_SCHEMAS: dict[str, Obj] = {
    "exempt": {
        "priorityLevelConfiguration": {"name": "exempt"},
        "matchingPrecedence": 1,
        "rules": [{"subjects": [{"kind": "Group", "group": {"name": "system:masters"}}], **_EVERYTHING}],
    },
    "catch-all": {
        "priorityLevelConfiguration": {"name": "catch-all"},
        "matchingPrecedence": 10_000,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [
            {
                "subjects": [
                    {"kind": "Group", "group": {"name": "system:unauthenticated"}},
                    {"kind": "Group", "group": {"name": "system:authenticated"}},
                ],
                **_EVERYTHING,
            }
        ],
    },
}


def validate_flow_schema(schema: Obj) -> Sequence[Cause]:
    errors = Errors()
    name, spec = schema["metadata"].get("name", ""), schema.get("spec") or {}
    path = "spec.matchingPrecedence"
    precedence = spec.get("matchingPrecedence", 0)
    if precedence <= 0:
        errors.invalid(path, precedence, "must be a positive value")
    if precedence > _MAX_PRECEDENCE:
        errors.invalid(path, precedence, f"must not be greater than {_MAX_PRECEDENCE}")
    if precedence == 1 and name != "exempt":
        errors.invalid(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in ("ByNamespace", "ByUser"):
        errors.not_supported("spec.distinguisherMethod.type", method, ("ByNamespace", "ByUser"))
    level = (spec.get("priorityLevelConfiguration") or {}).get("name", "")
    at = "spec.priorityLevelConfiguration.name"
    if not level:
        errors.required(at, "must reference a priority level")
    else:
        errors.invalid_each(at, level, names.dns1123_subdomain(level))
    for index, rule in enumerate(spec.get("rules") or ()):
        _validate_rule(errors, rule, f"spec.rules[{index}]")
    if name in _MANDATORY_SCHEMAS and spec != _MANDATORY_SCHEMAS[name]:
        errors.invalid("spec", spec, f"spec of '{name}' must equal the fixed value")
    return errors.causes


def _validate_rule(errors: Errors, rule: Obj, path: str) -> None:
    subjects = rule.get("subjects") or []
    if not subjects:
        errors.required(f"{path}.subjects", "subjects must contain at least one value")
    for index, subject in enumerate(subjects):
        _validate_subject(errors, subject, f"{path}.subjects[{index}]")
    resources, others = rule.get("resourceRules") or [], rule.get("nonResourceRules") or []
    if not resources and not others:
        message = "at least one of resourceRules and nonResourceRules has to be non-empty"
        errors.required(path, message)
    for index, each in enumerate(resources):
        _validate_resource_rule(errors, each, f"{path}.resourceRules[{index}]")
    for index, each in enumerate(others):
        at = f"{path}.nonResourceRules[{index}]"
        _validate_verbs(errors, each, at)
        _validate_urls(errors, each.get("nonResourceURLs") or [], f"{at}.nonResourceURLs")


def _validate_subject(errors: Errors, subject: Obj, path: str) -> None:
    kind = subject.get("kind", "")
    if kind not in _SUBJECTS:
        errors.not_supported(f"{path}.kind", kind, _SUBJECTS)
        return
    _validate_who(errors, kind, subject.get(_SUBJECTS[kind]), f"{path}.{_SUBJECTS[kind]}")
    for each in ("ServiceAccount", "User", "Group"):
        field = _SUBJECTS[each]
        if each != kind and subject.get(field) is not None:
            errors.forbidden(f"{path}.{field}", f"{field} is forbidden when subject kind is not '{each}'")


def _validate_who(errors: Errors, kind: str, who: Obj | None, path: str) -> None:
    if who is None:
        errors.required(path, f"{_SUBJECTS[kind]} is required when subject kind is '{kind}'")
        return
    name = who.get("name", "")
    if not name:
        errors.required(f"{path}.name")
    if kind != "ServiceAccount":
        return
    if name and name != "*":
        errors.invalid_each(f"{path}.name", name, names.dns1123_subdomain(name))
    space = who.get("namespace", "")
    if not space:
        errors.required(f"{path}.namespace", "must specify namespace for service account")
    else:
        errors.invalid_each(f"{path}.namespace", space, names.dns1123_label(space))


def _validate_verbs(errors: Errors, rule: Obj, path: str) -> None:
    verbs = rule.get("verbs") or []
    if not verbs:
        errors.required(f"{path}.verbs", "verbs must contain at least one value")
    elif "*" in verbs:
        _alone(errors, f"{path}.verbs", verbs, "verbs")
    elif not set(verbs) <= set(_VERBS):
        errors.not_supported(f"{path}.verbs", verbs, _VERBS)


def _alone(errors: Errors, path: str, values: list[str], words: str) -> None:
    if "*" in values and len(values) > 1:
        errors.invalid(path, values, f"if '*' is present, must not specify other {words}")


def _validate_resource_rule(errors: Errors, rule: Obj, path: str) -> None:
    _validate_verbs(errors, rule, path)
    for field, one, many in (
        ("apiGroups", "api group", "api groups"),
        ("resources", "resource", "resources"),
    ):
        values = rule.get(field) or []
        if not values:
            errors.required(f"{path}.{field}", f"resource rules must supply at least one {one}")
        _alone(errors, f"{path}.{field}", values, many)
    spaces = rule.get("namespaces") or []
    if not spaces and not rule.get("clusterScope"):
        message = "resource rules that are not cluster scoped must supply at least one namespace"
        errors.required(f"{path}.namespaces", message)
    elif "*" in spaces:
        _alone(errors, f"{path}.namespaces", spaces, "namespaces")
    else:
        for index, space in enumerate(spaces):
            for message in names.dns1123_label(space):
                errors.invalid(f"{path}.namespaces[{index}]", space, _MEMBER + message)


def _validate_urls(errors: Errors, urls: list[str], path: str) -> None:
    if not urls:
        errors.required(path, "nonResourceURLs must contain at least one value")
    elif "*" in urls:
        _alone(errors, path, urls, "non-resource URLs")
    else:
        for index, url in enumerate(urls):
            wrong = _url_error(url)
            if wrong:
                errors.invalid(f"{path}[{index}]", url, wrong)


def _url_error(url: str) -> str:
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    if url.count("*") > 1 or ("*" in url and not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""


def validate_conditions(obj: Obj) -> Sequence[Cause]:
    errors = Errors()
    seen: set[str] = set()
    for index, each in enumerate((obj.get("status") or {}).get("conditions") or ()):
        at, kind = f"status.conditions[{index}].type", each.get("type", "")
        if kind in seen:
            errors.duplicate(at, kind)
        if not kind:
            errors.required(at, "must not be empty")
        seen.add(kind)
    return errors.causes
