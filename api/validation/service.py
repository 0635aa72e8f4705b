"""Services: types, ports, traffic policies. Numbers are handed out elsewhere; here they are judged.

Source: Kubernetes "Service", "Virtual IPs and Service Proxies".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.addresses import (
    cidr_warnings,
    endpoint_complaints,
    ip_warnings,
    parse_address,
    validate_cidr,
    validate_ip,
)
from api.validation.errors import Errors
from api.validation.probes import validate_port
from api.validation.service_addresses import (
    is_headless,
    validate_addresses,
    validate_addresses_update,
)
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_POLICIES = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_MAX_AFFINITY_S = 86400
_ONLY_BALANCED = "may only be used when `type` is 'LoadBalancer'"
_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_HINTS = "service.kubernetes.io/topology-aware-hints"
_MODE = "service.kubernetes.io/topology-mode"


def is_external(spec: Obj) -> bool:
    """Whether it can be reached from outside of the cluster."""
    kind = spec.get("type")
    return kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def needs_health_check(spec: Obj) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def validate_service(service: Obj, old: Obj | None = None) -> Sequence[Cause]:
    errors = Errors()
    spec, was = service.get("spec") or {}, (old or {}).get("spec") or {}
    annotations = service["metadata"].get("annotations") or {}
    if _MODE in annotations and _HINTS in annotations and annotations[_MODE] != annotations[_HINTS]:
        message = f"must match annotations[{_HINTS}] when both are specified"
        errors.invalid(f"metadata.annotations[{_MODE}]", annotations[_MODE], message)
    kind, ports = spec.get("type", ""), spec.get("ports") or []
    if not ports and not is_headless(spec) and kind != "ExternalName":
        errors.required("spec.ports")
    _validate_for_type(errors, spec, kind)
    _validate_ports(errors, ports)
    errors.causes += names.labels(spec.get("selector") or {}, "spec.selector")
    choices = ("ClientIP", "None")
    errors.one_of("spec.sessionAffinity", spec.get("sessionAffinity"), choices, required=True)
    _validate_affinity(errors, spec)
    validate_addresses(errors, spec, was)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        at = f"spec.externalIPs[{index}]"
        if validate_ip(errors, address, at, was.get("externalIPs") or ()):
            errors.invalid_each(at, address, endpoint_complaints(address))
    errors.one_of("spec.type", kind, _TYPES, required=True)
    _validate_numbers(errors, ports, kind)
    _validate_ranges(errors, service, old, kind)
    if spec.get("allocateLoadBalancerNodePorts") is not None and kind != "LoadBalancer":
        errors.forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_BALANCED)
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is None:
        errors.required("allocateLoadBalancerNodePorts")
    _validate_class(errors, spec, None)
    _validate_policies(errors, spec, kind)
    return errors.causes


def _validate_for_type(errors: Errors, spec: Obj, kind: str) -> None:
    if kind in ("LoadBalancer", "NodePort") and is_headless(spec):
        errors.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind != "ExternalName":
        return
    for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(field):
            errors.forbidden(f"spec.{field}", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        errors.invalid_each("spec.externalName", name, names.dns1123_subdomain(name))
    else:
        errors.required("spec.externalName")


def _validate_ports(errors: Errors, ports: Sequence[Obj]) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at, name, number = f"spec.ports[{index}]", port.get("name", ""), port.get("port", 0)
        if not name and len(ports) > 1:
            errors.required(f"{at}.name")
        elif name:
            errors.invalid_each(f"{at}.name", name, names.dns1123_label(name))
            if name in seen:
                errors.duplicate(f"{at}.name", name)
            seen.add(name)
        errors.invalid_each(f"{at}.port", number, names.port_number(number))
        errors.one_of(f"{at}.protocol", port.get("protocol"), _PROTOCOLS, required=True)
        validate_port(errors, port.get("targetPort"), f"{at}.targetPort")
        if (spoken := port.get("appProtocol")) is not None:
            errors.invalid_each(f"{at}.appProtocol", spoken, names.qualified_name(spoken))


def _validate_numbers(errors: Errors, ports: Sequence[Obj], kind: str) -> None:
    if kind == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                message = "may not be used when `type` is 'ClusterIP'"
                errors.forbidden(f"spec.ports[{index}].nodePort", message)
    for field, suffix in (("nodePort", ".nodePort"), ("port", "")):
        seen: set[tuple[Any, ...]] = set()
        for index, port in enumerate(ports):
            number = port.get(field, 0)
            if field == "nodePort" and not number:
                continue
            key = (port.get("protocol"), number)
            if key in seen:
                errors.duplicate(f"spec.ports[{index}]{suffix}", number if suffix else port)
            seen.add(key)


def _validate_affinity(errors: Errors, spec: Obj) -> None:
    config, path = spec.get("sessionAffinityConfig"), "spec.sessionAffinityConfig"
    if spec.get("sessionAffinity") == "None" and config is not None:
        errors.forbidden(path, "must not be set when session affinity is None")
    if spec.get("sessionAffinity") != "ClientIP":
        return
    for key in ("", "clientIP", "timeoutSeconds"):
        path, config = (f"{path}.{key}", config.get(key)) if key and config is not None else (path, config)
        if config is None:
            errors.required(path, "when session affinity type is ClientIP")
            return
    seconds: Any = config
    if not 0 < seconds <= _MAX_AFFINITY_S:
        errors.invalid(path, seconds, f"must be greater than 0 and less than {_MAX_AFFINITY_S}")


def _validate_ranges(errors: Errors, service: Obj, old: Obj | None, kind: str) -> None:
    """From where a load balancer takes traffic, as a field or as the annotation before it."""
    ranges = service["spec"].get("loadBalancerSourceRanges") or ()
    noted = (service["metadata"].get("annotations") or {}).get(_RANGES)
    was = ((old or {}).get("spec") or {}).get("loadBalancerSourceRanges") or ()
    if ranges:
        path = "spec.LoadBalancerSourceRanges"
        if kind != "LoadBalancer":
            errors.forbidden(path, _ONLY_BALANCED)
        kept = {each.strip() for each in was}
        for index, each in enumerate(ranges):
            validate_cidr(errors, each.strip(), f"{path}[{index}]", kept)
    elif noted is not None:
        path = f"metadata.annotations[{_RANGES}]"
        if kind != "LoadBalancer":
            errors.forbidden(path, _ONLY_BALANCED)
        before = (((old or {}).get("metadata") or {}).get("annotations") or {}).get(_RANGES)
        for each in noted.strip().split(",") if noted.strip() and noted != before else ():
            validate_cidr(errors, each.strip(), path)


def _validate_class(errors: Errors, spec: Obj, old: Obj | None) -> None:
    name, balanced = spec.get("loadBalancerClass"), spec.get("type") == "LoadBalancer"
    path = "spec.loadBalancerClass"
    if (
        old is not None
        and balanced
        and old.get("type") == "LoadBalancer"
        and name != old.get("loadBalancerClass")
    ):
        errors.invalid(path, name, "may not change once set")
    if name is not None and balanced:
        errors.invalid_each(path, name, names.qualified_name(name))
    elif name is not None:
        errors.forbidden(path, _ONLY_BALANCED)


def _validate_policies(errors: Errors, spec: Obj, kind: str) -> None:
    external, path = spec.get("externalTrafficPolicy"), "spec.externalTrafficPolicy"
    if is_external(spec):
        errors.one_of(path, external, _POLICIES, required=True)
    elif external:
        errors.invalid(path, external, "may only be set for externally-accessible services")
    health, path = spec.get("healthCheckNodePort"), "spec.healthCheckNodePort"
    if not needs_health_check(spec):
        if health:
            message = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            errors.invalid(path, health, message)
    elif not health:
        errors.required(path)
    else:
        errors.invalid_each(path, health, names.port_number(health))
    internal, path = spec.get("internalTrafficPolicy"), "spec.internalTrafficPolicy"
    if internal is None:
        if kind in ("ClusterIP", "LoadBalancer", "NodePort"):
            errors.required(path)
    elif internal not in _POLICIES:
        errors.not_supported(path, internal, _POLICIES)
    spread = spec.get("trafficDistribution")
    if spread is not None and spread not in _DISTRIBUTIONS:
        errors.not_supported("spec.trafficDistribution", spread, _DISTRIBUTIONS)


def validate_service_update(service: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    spec, was = service["spec"], old["spec"]
    validate_addresses_update(errors, spec, was)
    _validate_class(errors, spec, was)
    same = spec.get("healthCheckNodePort") == was.get("healthCheckNodePort")
    if needs_health_check(was) and needs_health_check(spec) and not same:
        errors.forbidden("spec.healthCheckNodePort", "field is immutable")
    errors.causes += validate_service(service, old)
    return errors.causes


def validate_service_status(service: Obj, old: Obj | None = None) -> Sequence[Cause]:
    errors = Errors()
    given, had = (
        (((each or {}).get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        for each in (service, old)
    )
    path = "status.loadBalancer.ingress"
    if given and (service.get("spec") or {}).get("type") != "LoadBalancer":
        errors.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return errors.causes
    kept = {each["ip"] for each in had if each.get("ip")}
    for index, each in enumerate(given):
        at, ip, mode, host = f"{path}[{index}]", each.get("ip"), each.get("ipMode"), each.get("hostname")
        if ip:
            validate_ip(errors, ip, f"{at}.ip", kept)
        if mode is None:
            if ip:
                errors.required(f"{at}.ipMode", "must be specified when `ip` is set")
        elif not ip:
            errors.forbidden(f"{at}.ipMode", "may not be specified when `ip` is not set")
        elif mode not in ("Proxy", "VIP"):
            errors.not_supported(f"{at}.ipMode", mode, ("Proxy", "VIP"))
        if host:
            errors.invalid_each(f"{at}.hostname", host, names.dns1123_subdomain(host))
            if parse_address(host) is not None:
                errors.invalid(f"{at}.hostname", host, "must be a DNS name, not an IP address")
    return errors.causes


def service_warnings(service: Obj) -> list[str]:
    """Fields on their way out, and those that are accepted and mean nothing for a service of this type."""
    spec, out = service["spec"], []
    if _HINTS in (service["metadata"].get("annotations") or {}):
        out.append(f"annotation {_HINTS} is deprecated, please use {_MODE} instead")
    if spec.get("clusterIP") not in (None, "", "None"):
        for index, address in enumerate(spec.get("clusterIPs") or ()):
            out += ip_warnings(f"spec.clusterIPs[{index}]", address)
    if spec.get("type") == "ClusterIP" and spec.get("clusterIP") == "None":
        if spec.get("loadBalancerIP"):
            out.append("spec.loadBalancerIP is ignored for headless services")
        if spec.get("externalIPs"):
            out.append("spec.externalIPs is ignored for headless services")
        if spec.get("sessionAffinity") != "None":
            out.append("spec.SessionAffinity is ignored for headless services")
    for index, address in enumerate(spec.get("externalIPs") or ()):
        out += ip_warnings(f"spec.externalIPs[{index}]", address)
    if spec.get("loadBalancerIP"):
        out += ip_warnings("spec.loadBalancerIP", spec["loadBalancerIP"])
    for index, each in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        out += cidr_warnings(f"spec.loadBalancerSourceRanges[{index}]", each)
    if spec.get("type") == "ExternalName" and spec.get("externalIPs"):
        out.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    if spec.get("type") != "ExternalName" and spec.get("externalName"):
        out.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose":
        out.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return out
