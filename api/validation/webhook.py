"""Where a webhook is, what it is asked about, and what its answers and its silence mean.

Source: Kubernetes "Dynamic Admission Control".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from api.validation.admission_rule import (
    validate_match_conditions,
    validate_operations,
)
from api.validation.domains import validate_qualified
from api.validation.errors import Errors
from api.validation.selectors import has_odd_values, validate_selector
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_REVIEWS = ("v1", "v1beta1")
_NO_EFFECTS = ("None", "NoneOnDryRun")
_ALL_EFFECTS = (*_NO_EFFECTS, "Some", "Unknown")
_SELECTORS = ("namespaceSelector", "objectSelector")


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


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a configuration may keep because the old one has it."""

    side_effects: bool = False
    review_versions: bool = False
    names: bool = False
    selectors: bool = False
    conditions: bool = False


def _kept(hooks: list[Obj], old: list[Obj]) -> _Kept:
    versions = [each.get("admissionReviewVersions") or [] for each in old]
    named = [each.get("name", "") for each in old]
    conditions = [[each.get("matchConditions") for each in all_of_them] for all_of_them in (hooks, old)]
    return _Kept(
        side_effects=any(each.get("sideEffects") not in _NO_EFFECTS for each in old),
        review_versions=any(each and not set(each) & set(_REVIEWS) for each in versions),
        names=len(set(named)) < len(named),
        selectors=any(has_odd_values(each.get(field)) for each in old for field in _SELECTORS),
        conditions=conditions[0] == conditions[1],
    )


def validate_webhooks(obj: Obj, *, mutating: bool, old: Obj | None = None) -> Sequence[Cause]:
    errors = Errors()
    hooks = obj.get("webhooks") or []
    kept = _Kept() if old is None else _kept(hooks, old.get("webhooks") or [])
    seen: set[str] = set()
    for index, hook in enumerate(hooks):
        at, name = f"webhooks[{index}]", hook.get("name", "")
        _validate_webhook(errors, hook, at, kept, mutating=mutating)
        versions = hook.get("admissionReviewVersions") or []
        known = not kept.review_versions
        validate_review_versions(errors, versions, f"{at}.admissionReviewVersions", known=known)
        if name and name in seen and not kept.names:
            errors.duplicate(f"{at}.name", name)
        seen.add(name)
    return errors.causes


def _validate_webhook(errors: Errors, hook: Obj, path: str, kept: _Kept, *, mutating: bool) -> None:
    validate_qualified(errors, hook.get("name", ""), f"{path}.name")
    for index, rule in enumerate(hook.get("rules") or ()):
        validate_operations(errors, rule, f"{path}.rules[{index}]")
    _validate_choice(errors, hook, "failurePolicy", ("Fail", "Ignore"), path)
    _validate_choice(errors, hook, "matchPolicy", ("Equivalent", "Exact"), path)
    allowed = _ALL_EFFECTS if kept.side_effects else _NO_EFFECTS
    if hook.get("sideEffects") is None:
        errors.required(f"{path}.sideEffects", f"must specify one of {', '.join(allowed)}")
    _validate_choice(errors, hook, "sideEffects", allowed, path)
    wait = hook.get("timeoutSeconds")
    if wait is not None and not 1 <= wait <= 30:
        errors.invalid(f"{path}.timeoutSeconds", wait, "the timeout value must be between 1 and 30 seconds")
    for field in _SELECTORS:
        validate_selector(errors, hook.get(field), f"{path}.{field}", odd_values=kept.selectors)
    if mutating:
        _validate_choice(errors, hook, "reinvocationPolicy", ("IfNeeded", "Never"), path)
    validate_client_config(errors, hook.get("clientConfig") or {}, f"{path}.clientConfig")
    if not kept.conditions:
        validate_match_conditions(errors, hook.get("matchConditions") or [], f"{path}.matchConditions")


def _validate_choice(errors: Errors, hook: Obj, field: str, choices: tuple[str, ...], path: str) -> None:
    value = hook.get(field)
    if value is not None and value not in choices:
        errors.not_supported(f"{path}.{field}", value, choices)


def validate_review_versions(errors: Errors, versions: list[str], path: str, *, known: bool = True) -> None:
    """`known`: one of them must be of those that are spoken here."""
    if not versions:
        errors.required(path, f"must specify one of {', '.join(_REVIEWS)}")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            errors.invalid(f"{path}[{index}]", version, "duplicate version")
        else:
            errors.invalid_each(f"{path}[{index}]", version, names.dns1035_label(version))
    if known and not set(versions) & set(_REVIEWS):
        errors.invalid(path, versions, f"must include at least one of {', '.join(_REVIEWS)}")


def validate_client_config(errors: Errors, config: Obj, path: str) -> None:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        errors.required(path, "exactly one of url or service is required")
    elif url is not None:
        validate_url(errors, url, f"{path}.url")
    elif service is not None:
        # Upstream hands name and namespace over the wrong way round: what is missing is told of the other.
        swapped = {**service, "name": service.get("namespace"), "namespace": service.get("name")}
        validate_service_reference(errors, swapped, f"{path}.service")


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
    if where in (None, "", "/"):
        return
    if not where.startswith("/"):
        errors.invalid(f"{path}.path", where, "must start with a '/'")
    steps = where.removesuffix("/")[1:].split("/")
    for index, step in enumerate(steps):
        if not step:
            errors.invalid(f"{path}.path", where, f"segment[{index}] may not be empty")
        else:
            for message in names.dns1123_subdomain(step):
                errors.invalid(f"{path}.path", where, f"segment[{index}]: {message}")
