"""Services: types, ports, addresses, traffic policies. Numbers are handed out elsewhere; here they are judged.

Source: Kubernetes "Service", "Virtual IPs and Service Proxies".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_POLICIES = ("Cluster", "Local")
_MAX_AFFINITY_S = 86400


def validate_service(service: Obj) -> Sequence[Cause]:
    errors = Errors()
    spec = service.get("spec") or {}
    kind = spec.get("type")
    headless = spec.get("clusterIP") == "None"
    _validate_for_type(errors, spec, kind, headless=headless)
    _validate_ports(errors, spec, kind, headless=headless)
    errors.causes += names.labels(spec.get("selector") or {}, "spec.selector")
    errors.one_of("spec.type", kind, _TYPES, required=True)
    affinity = ("ClientIP", "None")
    errors.one_of("spec.sessionAffinity", spec.get("sessionAffinity"), affinity, required=True)
    _validate_affinity(errors, spec)
    _validate_addresses(errors, spec, kind, headless=headless)
    _validate_policies(errors, spec, kind)
    return errors.causes


def _validate_for_type(errors: Errors, spec: Obj, kind: str | None, *, headless: bool) -> None:
    if kind == "ExternalName":
        name = (spec.get("externalName") or "").removesuffix(".")
        if spec.get("clusterIP"):
            errors.forbidden("spec.clusterIPs", "may not be set when `type` is 'ExternalName'")
        if name:
            errors.invalid_each("spec.externalName", name, names.dns1123_subdomain(name))
        else:
            errors.required("spec.externalName")
    elif headless and kind in ("NodePort", "LoadBalancer"):
        errors.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind != "LoadBalancer":
        for field in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if spec.get(field) is not None:
                errors.forbidden(f"spec.{field}", "may only be used when `type` is 'LoadBalancer'")
        if spec.get("loadBalancerSourceRanges"):
            errors.forbidden(
                "spec.LoadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'"
            )
    elif spec.get("loadBalancerClass"):
        found = names.qualified_name(spec["loadBalancerClass"])
        errors.invalid_each("spec.loadBalancerClass", spec["loadBalancerClass"], found)
    for index, each in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        errors.invalid_each(f"spec.LoadBalancerSourceRanges[{index}]", each, names.cidr(each.strip()))


def _validate_ports(errors: Errors, spec: Obj, kind: str | None, *, headless: bool) -> None:
    ports = spec.get("ports") or []
    if not ports and not headless and kind != "ExternalName":
        errors.required("spec.ports")
    seen: set[str] = set()
    used: set[tuple[Any, ...]] = set()
    node_ports: set[tuple[Any, ...]] = set()
    for index, port in enumerate(ports):
        at, name = f"spec.ports[{index}]", port.get("name", "")
        if not name and len(ports) > 1:
            errors.required(f"{at}.name")
        elif name:
            errors.invalid_each(f"{at}.name", name, names.dns1123_label(name))
            if name in seen:
                errors.duplicate(f"{at}.name", name)
            seen.add(name)
        number, protocol = port.get("port", 0), port.get("protocol")
        errors.invalid_each(f"{at}.port", number, names.port_number(number))
        errors.one_of(f"{at}.protocol", protocol, _PROTOCOLS, required=True)
        _validate_target(errors, port.get("targetPort", 0), f"{at}.targetPort")
        if port.get("appProtocol"):
            errors.invalid_each(
                f"{at}.appProtocol", port["appProtocol"], names.qualified_name(port["appProtocol"])
            )
        if (protocol, number) in used:
            errors.duplicate(at, port)
        used.add((protocol, number))
        node_port = port.get("nodePort")
        if node_port:
            if kind in ("ClusterIP", "ExternalName"):
                errors.forbidden(f"{at}.nodePort", f"may not be used when `type` is '{kind}'")
            elif (protocol, node_port) in node_ports:
                errors.duplicate(f"{at}.nodePort", node_port)
            node_ports.add((protocol, node_port))


def _validate_target(errors: Errors, target: int | str, path: str) -> None:
    if isinstance(target, int):
        errors.invalid_each(path, target, names.port_number(target))
    else:
        errors.invalid_each(path, target, names.port_name(target))


def _validate_affinity(errors: Errors, spec: Obj) -> None:
    config = spec.get("sessionAffinityConfig")
    if spec.get("sessionAffinity") == "None" and config is not None:
        message = "must not be set when session affinity is None"
        errors.forbidden("spec.sessionAffinityConfig", message)
    elif spec.get("sessionAffinity") == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        at = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        if seconds is None:
            errors.required(at, "must be provided when session affinity type is ClientIP")
        elif not 0 < seconds <= _MAX_AFFINITY_S:
            errors.invalid(at, seconds, f"must be greater than 0 and less than {_MAX_AFFINITY_S}")


def _validate_addresses(errors: Errors, spec: Obj, kind: str | None, *, headless: bool) -> None:
    for index, address in enumerate(spec.get("externalIPs") or ()):
        at = f"spec.externalIPs[{index}]"
        bad = names.ip(address)
        errors.invalid_each(at, address, bad)
        if not bad and _is_special(address):
            errors.invalid(at, address, "may not be in the unspecified, loopback or link-local range")
    single, several = spec.get("clusterIP"), spec.get("clusterIPs") or []
    if several and not single:
        errors.required("spec.clusterIP", "clusterIP must be set when clusterIPs is specified")
    if several and single and several[0] != single:
        errors.invalid("spec.clusterIPs", several, "first value must match `clusterIP`")
    if single and not headless and kind != "ExternalName":
        errors.invalid_each("spec.clusterIPs[0]", single, names.ip(single))
    if len(several) > 2:
        message = "may only hold up to 2 values"
        errors.invalid("spec.clusterIPs", several, message)
    choices = ("PreferDualStack", "RequireDualStack", "SingleStack")
    errors.one_of("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), choices)
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        errors.one_of(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"), required=True)


def _is_special(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return parsed.is_unspecified or parsed.is_loopback or parsed.is_link_local


def _validate_policies(errors: Errors, spec: Obj, kind: str | None) -> None:
    external = spec.get("externalTrafficPolicy")
    if kind in ("NodePort", "LoadBalancer"):
        errors.one_of("spec.externalTrafficPolicy", external, _POLICIES, required=True)
    elif external and not (kind == "ClusterIP" and spec.get("externalIPs")):
        message = "may only be set for externally-accessible services"
        errors.invalid("spec.externalTrafficPolicy", external, message)
    health = spec.get("healthCheckNodePort")
    if health and not (kind == "LoadBalancer" and external == "Local"):
        message = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        errors.invalid("spec.healthCheckNodePort", health, message)
    internal = spec.get("internalTrafficPolicy")
    if internal is None and kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        errors.required("spec.internalTrafficPolicy")
    errors.one_of("spec.internalTrafficPolicy", internal, _POLICIES)


def validate_service_update(service: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    spec, was = service["spec"], old["spec"]
    if spec.get("type") != "ExternalName" and was.get("type") != "ExternalName" and was.get("clusterIP"):
        if spec.get("clusterIP") != was["clusterIP"]:
            errors.invalid("spec.clusterIPs[0]", spec.get("clusterIPs") or [], "may not change once set")
        if (spec.get("ipFamilies") or [""])[0] != (was.get("ipFamilies") or [""])[0]:
            errors.invalid(
                "spec.ipFamilies[0]", (spec.get("ipFamilies") or [""])[0], "may not change once set"
            )
    stays_balanced = spec.get("type") == "LoadBalancer" == was.get("type")
    if stays_balanced and spec.get("loadBalancerClass") != was.get("loadBalancerClass"):
        errors.invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), "may not change once set")
    errors.causes += validate_service(service)
    return errors.causes


def validate_service_status(service: Obj) -> Sequence[Cause]:
    errors = Errors()
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    for index, each in enumerate(ingress):
        at = f"status.loadBalancer.ingress[{index}]"
        if each.get("ip"):
            errors.invalid_each(f"{at}.ip", each["ip"], names.ip(each["ip"]))
            errors.one_of(f"{at}.ipMode", each.get("ipMode"), ("Proxy", "VIP"))
        elif each.get("ipMode") is not None:
            errors.forbidden(f"{at}.ipMode", "may not be specified when `ip` is not set")
        if each.get("hostname"):
            errors.invalid_each(f"{at}.hostname", each["hostname"], names.dns1123_subdomain(each["hostname"]))
    return errors.causes


def service_warnings(spec: Obj) -> list[str]:
    """Fields that are accepted and mean nothing for a service of this type."""
    out = []
    if spec.get("clusterIP") == "None":
        if spec.get("loadBalancerIP"):
            out.append("spec.loadBalancerIP is ignored for headless services")
        if spec.get("externalIPs"):
            out.append("spec.externalIPs is ignored for headless services")
        if spec.get("sessionAffinity") not in (None, "None"):
            out.append("spec.SessionAffinity is ignored for headless services")
    if spec.get("type") == "ExternalName" and spec.get("externalIPs"):
        out.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    if spec.get("type") != "ExternalName" and spec.get("externalName"):
        out.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    return out
