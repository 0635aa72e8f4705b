"""Ingresses: hosts, paths, backends and certificates.

Source: Kubernetes "Ingress".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_WRONG_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_WRONG_ENDS = ("/..", "/.")
_PROTOCOLS = ("SCTP", "TCP", "UDP")


def validate_ingress(ingress: Obj) -> Sequence[Cause]:
    errors = Errors()
    spec = ingress.get("spec") or {}
    rules, default = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and default is None:
        errors.invalid("spec", rules, "either `defaultBackend` or `rules` must be specified")
    if default is not None:
        _validate_backend(errors, default, "spec.defaultBackend")
    for index, rule in enumerate(rules):
        _validate_rule(errors, rule, f"spec.rules[{index}]")
    _validate_tls(errors, spec.get("tls") or ())
    if spec.get("ingressClassName") is not None:
        name = spec["ingressClassName"]
        errors.invalid_each("spec.ingressClassName", name, names.dns1123_subdomain(name))
    return errors.causes


def validate_class_agrees(errors: Errors, ingress: Obj) -> None:
    """The class's old place and its field say the same, on creation."""
    noted = (ingress["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    named = (ingress.get("spec") or {}).get("ingressClassName")
    if noted is not None and named is not None and noted != named:
        message = "must match `ingressClassName` when both are specified"
        errors.invalid(f"annotations.{CLASS_ANNOTATION}", noted, message)


def _validate_rule(errors: Errors, rule: Obj, path: str) -> None:
    host = rule.get("host", "")
    if host:
        if not names.ip(host):
            errors.invalid(f"{path}.host", host, "must be a DNS name, not an IP address")
        elif "*" in host:
            errors.invalid_each(f"{path}.host", host, names.wildcard_subdomain(host))
        else:
            errors.invalid_each(f"{path}.host", host, names.dns1123_subdomain(host))
    http = rule.get("http")
    if http is None:
        return
    paths = http.get("paths") or []
    if not paths:
        errors.required(f"{path}.http.paths")
    for index, each in enumerate(paths):
        at = f"{path}.http.paths[{index}]"
        _validate_path(errors, each, at)
        _validate_backend(errors, each.get("backend") or {}, f"{at}.backend")


def _validate_path(errors: Errors, each: Obj, path: str) -> None:
    kind, text = each.get("pathType"), each.get("path", "")
    if not kind:
        errors.required(f"{path}.pathType", "pathType must be specified")
        return
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
        errors.required(path, "resource or service backend is required")
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
    if ref.get("apiGroup"):
        group = ref["apiGroup"]
        errors.invalid_each(f"{path}.apiGroup", group, names.dns1123_subdomain(group))
    for field in ("kind", "name"):
        value = ref.get(field, "")
        if not value:
            errors.required(f"{path}.{field}", f"{field} is required")
        else:
            errors.invalid_each(f"{path}.{field}", value, names.path_segment(value))


def _validate_tls(errors: Errors, entries: Iterable[Obj]) -> None:
    for index, entry in enumerate(entries):
        at = f"spec.tls[{index}]"
        for position, host in enumerate(entry.get("hosts") or ()):
            rule = names.wildcard_subdomain if "*" in host else names.dns1123_subdomain
            errors.invalid_each(f"{at}.hosts[{position}]", host, rule(host))
        secret = entry.get("secretName", "")
        if secret:
            errors.invalid_each(f"{at}.secretName", secret, names.dns1123_subdomain(secret))


def validate_ingress_status(ingress: Obj) -> Sequence[Cause]:
    errors = Errors()
    balancer = (ingress.get("status") or {}).get("loadBalancer") or {}
    for index, each in enumerate(balancer.get("ingress") or ()):
        at = f"status.loadBalancer.ingress[{index}]"
        if each.get("ip"):
            errors.invalid_each(f"{at}.ip", each["ip"], names.ip(each["ip"]))
        host = each.get("hostname", "")
        if host:
            errors.invalid_each(f"{at}.hostname", host, names.dns1123_subdomain(host))
            if not names.ip(host):
                errors.invalid(f"{at}.hostname", host, "must be a DNS name, not an IP address")
        for position, port in enumerate(each.get("ports") or ()):
            where = f"{at}.ports[{position}]"
            errors.invalid_each(f"{where}.port", port.get("port", 0), names.port_number(port.get("port", 0)))
            errors.one_of(f"{where}.protocol", port.get("protocol"), _PROTOCOLS, required=True)
    return errors.causes
