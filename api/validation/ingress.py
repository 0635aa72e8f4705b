"""Ingresses: hosts, paths, backends and certificates.

Source: Kubernetes "Ingress".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from api.validation.addresses import parse_address, validate_ip
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_WRONG_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_WRONG_ENDS = ("/..", "/.")


def validate_ingress(ingress: Obj, old: Obj | None = None) -> Sequence[Cause]:
    """A new ingress, or the successor of `old`, whose mistakes it may keep."""
    errors = Errors()
    spec, before = ingress.get("spec") or {}, (old or {}).get("spec") or {}
    rules, default = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and default is None:
        errors.invalid("spec", rules, "either `defaultBackend` or `rules` must be specified")
    if default is not None:
        _validate_backend(errors, default, "spec.defaultBackend")
    odd_rules = _has_odd_wildcard(before)
    for index, rule in enumerate(rules):
        at = f"spec.rules[{index}]"
        _validate_host(errors, rule.get("host", ""), f"{at}.host")
        if not (odd_rules and "*" in rule.get("host", "")):
            _validate_rule(errors, rule, at)
    _validate_tls(errors, spec.get("tls") or (), odd_secrets=_has_odd_secret(before))
    if spec.get("ingressClassName") is not None:
        name = spec["ingressClassName"]
        errors.invalid_each("spec.ingressClassName", name, names.dns1123_subdomain(name))
    return errors.causes


def _has_odd_wildcard(spec: Obj) -> bool:
    """Rules of hosts with a star were not looked at, once."""
    errors = Errors()
    for rule in spec.get("rules") or ():
        if "*" in rule.get("host", ""):
            _validate_rule(errors, rule, "")
    return bool(errors)


def _has_odd_secret(spec: Obj) -> bool:
    secrets = [each.get("secretName", "") for each in spec.get("tls") or ()]
    return any(name and names.dns1123_subdomain(name) for name in secrets)


def validate_class_agrees(errors: Errors, ingress: Obj) -> None:
    """The class's old place and its field say the same, on creation."""
    noted = (ingress["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    named = (ingress.get("spec") or {}).get("ingressClassName")
    if noted is not None and named is not None and noted != named:
        message = "must match `ingressClassName` when both are specified"
        errors.invalid(f"annotations.{CLASS_ANNOTATION}", noted, message)


def _validate_host(errors: Errors, host: str, path: str) -> None:
    if not host:
        return
    if parse_address(host) is not None:
        errors.invalid(path, host, "must be a DNS name, not an IP address")
    rule = names.wildcard_subdomain if "*" in host else names.dns1123_subdomain
    errors.invalid_each(path, host, rule(host))


def _validate_rule(errors: Errors, rule: Obj, path: str) -> None:
    http = rule.get("http")
    if http is None:
        return
    paths = http.get("paths") or []
    if not paths:
        errors.required(f"{path}.http.paths")
    for index, each in enumerate(paths):
        at = f"{path}.http.paths[{index}]"
        if each.get("pathType") is None:
            errors.required(f"{at}.pathType", "pathType must be specified")
            continue
        _validate_path(errors, each, at)
        _validate_backend(errors, each.get("backend") or {}, f"{at}.backend")


def _validate_path(errors: Errors, each: Obj, path: str) -> None:
    kind, text = each["pathType"], each.get("path", "")
    if kind in ("Exact", "Prefix"):
        if not text.startswith("/"):
            errors.invalid(f"{path}.path", text, "must be an absolute path")
        if text:
            for part in _WRONG_PARTS:
                if part in text:
                    errors.invalid(f"{path}.path", text, f"must not contain '{part}'")
            for end in _WRONG_ENDS:
                if text.endswith(end):
                    errors.invalid(f"{path}.path", text, f"cannot end with '{end}'")
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            errors.invalid(f"{path}.path", text, "must be an absolute path")
    else:
        errors.not_supported(f"{path}.pathType", kind, _PATH_TYPES)


def _validate_backend(errors: Errors, backend: Obj, path: str) -> None:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        errors.invalid(path, "", "cannot set both resource and service backends")
    elif resource is not None:
        validate_typed_reference(errors, resource, f"{path}.resource")
    elif service is None:
        errors.invalid(path, "", "resource or service backend is required")
    else:
        _validate_service(errors, service, path)


def _validate_service(errors: Errors, service: Obj, path: str) -> None:
    name, port = service.get("name", ""), service.get("port") or {}
    if not name:
        errors.required(f"{path}.service.name")
    else:
        errors.invalid_each(f"{path}.service.name", name, names.dns1035_label(name))
    if port.get("name") and port.get("number"):
        errors.invalid(path, "", "cannot set both port name & port number")
    elif port.get("name"):
        errors.invalid_each(f"{path}.service.port.name", port["name"], names.port_name(port["name"]))
    elif port.get("number"):
        errors.invalid_each(f"{path}.service.port.number", port["number"], names.port_number(port["number"]))
    else:
        errors.required(path, "port name or number is required")


def validate_typed_reference(errors: Errors, ref: Obj, path: str) -> None:
    """An object of any kind: a group that may be one, and a kind and a name that must be there."""
    if ref.get("apiGroup") is not None:
        group = ref["apiGroup"]
        errors.invalid_each(f"{path}.apiGroup", group, names.dns1123_subdomain(group))
    for field in ("kind", "name"):
        value = ref.get(field, "")
        if not value:
            errors.required(f"{path}.{field}", f"{field} is required")
        else:
            errors.invalid_each(f"{path}.{field}", value, names.path_segment(value))


def _validate_tls(errors: Errors, entries: Iterable[Obj], *, odd_secrets: bool) -> None:
    for index, entry in enumerate(entries):
        at = f"spec.tls[{index}]"
        for position, host in enumerate(entry.get("hosts") or ()):
            rule = names.wildcard_subdomain if "*" in host else names.dns1123_subdomain
            errors.invalid_each(f"{at}.hosts[{position}]", host, rule(host))
        secret = entry.get("secretName", "")
        if secret and not odd_secrets:
            errors.invalid_each(f"{at}.secretName", secret, names.dns1123_subdomain(secret))


def _addresses(ingress: Obj) -> list[Obj]:
    balancer = (ingress.get("status") or {}).get("loadBalancer") or {}
    return balancer.get("ingress") or []


def validate_ingress_status(ingress: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    kept = {each.get("ip", "") for each in _addresses(old)}
    for index, each in enumerate(_addresses(ingress)):
        at = f"status.loadBalancer.ingress[{index}]"
        if each.get("ip"):
            validate_ip(errors, each["ip"], f"{at}.ip", kept)
        host = each.get("hostname", "")
        if host:
            errors.invalid_each(f"{at}.hostname", host, names.dns1123_subdomain(host))
            if parse_address(host) is not None:
                errors.invalid(f"{at}.hostname", host, "must be a DNS name, not an IP address")
    return errors.causes
