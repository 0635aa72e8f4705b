"""Endpoints: all addresses behind a service; the forerunner of EndpointSlice."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME, NONE
from api.resource import Column, Strategy
from api.validation.addresses import endpoint_complaints, ip_warnings, validate_ip
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_SHOWN = 3


class EndpointsStrategy(Strategy):
    has_generation = False
    allow_create_on_update = True

    def default(self, obj: Obj) -> None:
        for subset in obj.get("subsets") or ():
            for port in subset.get("ports") or ():
                if not port.get("protocol"):
                    port["protocol"] = "TCP"

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        for index, subset in enumerate(obj.get("subsets") or ()):
            _validate_subset(errors, subset, f"subsets[{index}]")
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        """What stands there already was good enough for an older server."""
        return () if obj.get("subsets") == old.get("subsets") else self.validate(obj)

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        out = list(super().warnings(obj, old))
        for index, subset in enumerate(obj.get("subsets") or ()):
            for field in ("addresses", "notReadyAddresses"):
                for position, each in enumerate(subset.get(field) or ()):
                    out += ip_warnings(f"subsets[{index}].{field}[{position}].ip", each.get("ip", ""))
        return out


def _validate_subset(errors: Errors, subset: Obj, path: str) -> None:
    ready, unready = subset.get("addresses") or [], subset.get("notReadyAddresses") or []
    if not ready and not unready:
        errors.required(path, "must specify `addresses` or `notReadyAddresses`")
    for field, addresses in (("addresses", ready), ("notReadyAddresses", unready)):
        for index, address in enumerate(addresses):
            _validate_address(errors, address, f"{path}.{field}[{index}]")
    ports = subset.get("ports") or []
    for index, port in enumerate(ports):
        at, name, number = f"{path}.ports[{index}]", port.get("name", ""), port.get("port", 0)
        if not name and len(ports) > 1:
            errors.required(f"{at}.name")
        elif name:
            errors.invalid_each(f"{at}.name", name, names.dns1123_label(name))
        errors.invalid_each(f"{at}.port", number, names.port_number(number))
        errors.one_of(f"{at}.protocol", port.get("protocol"), _PROTOCOLS, required=True)
        if (spoken := port.get("appProtocol")) is not None:
            errors.invalid_each(f"{at}.appProtocol", spoken, names.qualified_name(spoken))


def _validate_address(errors: Errors, address: Obj, path: str) -> None:
    ip, host, node = address.get("ip", ""), address.get("hostname"), address.get("nodeName")
    validate_ip(errors, ip, f"{path}.ip")
    if host:
        errors.invalid_each(f"{path}.hostname", host, names.dns1123_label(host))
    if node is not None:
        errors.invalid_each(f"{path}.nodeName", node, names.dns1123_subdomain(node))
    errors.invalid_each(f"{path}.ip", ip, endpoint_complaints(ip))


def _endpoints(obj: Obj, now: float) -> str:
    if not obj.get("subsets"):
        return NONE
    shown = []
    for subset in obj["subsets"]:
        addresses = [each["ip"] for each in subset.get("addresses") or ()]
        ports = [port["port"] for port in subset.get("ports") or ()]
        if not ports:
            shown += addresses
        for port in ports:
            shown += [f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip in addresses]
    more = f" + {len(shown) - _SHOWN} more..." if len(shown) > _SHOWN else ""
    return ",".join(shown[:_SHOWN]) + more


ENDPOINTS = builtin(
    GVR("", "v1", "endpoints", kind="Endpoints"),
    "api.core.v1.endpoints_types:Endpoints",
    strategy=EndpointsStrategy(),
    columns=(NAME, Column("Endpoints", _endpoints, description="Addresses that take traffic."), AGE),
    short_names=("ep",),
    deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
)
