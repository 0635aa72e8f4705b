"""Where a webhook is, what it is asked about, and what its answers and its silence mean.

Source: Kubernetes "Dynamic Admission Control".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from api.validation.admission_rule import (
    validate_match_conditions,
    validate_operations,
)
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.selectors.labels import validate_label_selector

Obj = dict[str, Any]

_REVIEWS = ("v1", "v1beta1")
_SIDE_EFFECTS = ("None", "NoneOnDryRun")


def default_webhooks(obj: Obj, *, mutating: bool) -> None:
    for hook in obj.get("webhooks") or ():
        hook.setdefault("failurePolicy", "Fail")
        hook.setdefault("matchPolicy", "Equivalent")
        hook.setdefault("namespaceSelector", {})
        hook.setdefault("objectSelector", {})
        hook.setdefault("timeoutSeconds", 10)
        if mutating:
            hook.setdefault("reinvocationPolicy", "Never")
        service = (hook.get("clientConfig") or {}).get("service")
        if service is not None:
            service.setdefault("port", 443)
        for rule in hook.get("rules") or ():
            rule.setdefault("scope", "*")


def validate_webhooks(obj: Obj, *, mutating: bool) -> Sequence[Cause]:
    errors = Errors()
    seen: set[str] = set()
    for index, hook in enumerate(obj.get("webhooks") or ()):
        at, name = f"webhooks[{index}]", hook.get("name", "")
        _validate_webhook(errors, hook, at)
        if mutating:
            policies = ("IfNeeded", "Never")
            errors.one_of(f"{at}.reinvocationPolicy", hook.get("reinvocationPolicy"), policies)
        validate_review_versions(
            errors, hook.get("admissionReviewVersions") or [], f"{at}.admissionReviewVersions"
        )
        if name and name in seen:
            errors.duplicate(f"{at}.name", name)
        seen.add(name)
    return errors.causes


def _validate_webhook(errors: Errors, hook: Obj, path: str) -> None:
    _validate_name(errors, hook.get("name", ""), f"{path}.name")
    for index, rule in enumerate(hook.get("rules") or ()):
        validate_operations(errors, rule, f"{path}.rules[{index}]")
    errors.one_of(f"{path}.failurePolicy", hook.get("failurePolicy"), ("Fail", "Ignore"))
    errors.one_of(f"{path}.matchPolicy", hook.get("matchPolicy"), ("Equivalent", "Exact"))
    effects = hook.get("sideEffects")
    if effects is None:
        errors.required(f"{path}.sideEffects", f"must specify one of {', '.join(_SIDE_EFFECTS)}")
    elif effects not in _SIDE_EFFECTS:
        errors.not_supported(f"{path}.sideEffects", effects, _SIDE_EFFECTS)
    wait = hook.get("timeoutSeconds")
    if wait is not None and not 1 <= wait <= 30:
        errors.invalid(f"{path}.timeoutSeconds", wait, "the timeout value must be between 1 and 30 seconds")
    for selector in ("namespaceSelector", "objectSelector"):
        errors.causes += validate_label_selector(hook.get(selector), f"{path}.{selector}")
    validate_client_config(errors, hook.get("clientConfig") or {}, f"{path}.clientConfig")
    validate_match_conditions(errors, hook.get("matchConditions") or [], f"{path}.matchConditions")


def _validate_name(errors: Errors, name: str, path: str) -> None:
    if not name:
        errors.required(path)
        return
    wrong = names.dns1123_subdomain(name)
    errors.invalid_each(path, name, wrong)
    if not wrong and name.count(".") < 2:
        errors.invalid(path, name, "should be a domain with at least three segments separated by dots")


def validate_review_versions(errors: Errors, versions: list[str], path: str) -> None:
    if not versions:
        errors.required(path, f"must specify one of {', '.join(_REVIEWS)}")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            errors.invalid(f"{path}[{index}]", version, "duplicate version")
        else:
            errors.invalid_each(f"{path}[{index}]", version, names.dns1035_label(version))
    if not set(versions) & set(_REVIEWS):
        errors.invalid(path, versions, f"must include at least one of {', '.join(_REVIEWS)}")


def validate_client_config(errors: Errors, config: Obj, path: str) -> None:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        errors.required(path, "exactly one of url or service is required")
    elif url is not None:
        validate_url(errors, url, f"{path}.url")
    elif service is not None:
        validate_service_reference(errors, service, f"{path}.service")


def validate_url(errors: Errors, url: str, path: str) -> None:
    form = "; desired format: https://host[/path]"
    try:
        parts = urlsplit(url)
    except ValueError as bad:
        errors.required(path, f"url must be a valid URL: {bad}{form}")
        return
    if parts.scheme != "https":
        errors.invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{form}")
    if not parts.netloc:
        errors.invalid(path, parts.netloc, f"host must be specified{form}")
    if parts.username is not None:
        errors.invalid(path, parts.netloc.rpartition("@")[0], "user information is not permitted in the URL")
    if parts.fragment:
        errors.invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        errors.invalid(path, parts.query, "query parameters are not permitted in the URL")


def validate_service_reference(errors: Errors, service: Obj, path: str) -> None:
    for field in ("name", "namespace"):
        if not service.get(field):
            errors.required(f"{path}.{field}")
    port = service.get("port", 443)
    if names.port_number(port):
        errors.invalid(f"{path}.port", port, "port is not valid: must be between 1 and 65535, inclusive")
    where = service.get("path")
    if where is None or where == "/":
        return
    if not where.startswith("/"):
        errors.invalid(f"{path}.path", where, "must start with a '/'")
        return
    steps = where.removesuffix("/")[1:].split("/")
    for index, step in enumerate(steps):
        if not step:
            errors.invalid(f"{path}.path", where, f"segment[{index}] may not be empty")
        else:
            for message in names.dns1123_subdomain(step):
                errors.invalid(f"{path}.path", where, f"segment[{index}]: {message}")
