"""Endpoints: all addresses behind a service; the forerunner of EndpointSlice."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME, NONE
from api.resource import Column, Strategy
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
        if port.get("appProtocol"):
            spoken = port["appProtocol"]
            errors.invalid_each(f"{at}.appProtocol", spoken, names.qualified_name(spoken))


def _validate_address(errors: Errors, address: Obj, path: str) -> None:
    ip = address.get("ip", "")
    wrong = names.ip(ip)
    errors.invalid_each(f"{path}.ip", ip, wrong)
    if address.get("hostname"):
        host = address["hostname"]
        errors.invalid_each(f"{path}.hostname", host, names.dns1123_label(host))
    if address.get("nodeName") is not None:
        node = address["nodeName"]
        errors.invalid_each(f"{path}.nodeName", node, names.dns1123_subdomain(node))
    if not wrong:
        for message in special(ip):
            errors.invalid(f"{path}.ip", ip, message)


def special(text: str) -> Iterable[str]:
    """Why an address cannot be somebody else's."""
    address = ipaddress.ip_address(text)
    if address.is_unspecified:
        yield f"may not be unspecified ({text})"
    if address.is_loopback:
        yield "may not be in the loopback range (127.0.0.0/8, ::1/128)"
    if address.is_link_local:
        yield "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
    if address.is_multicast and text.startswith(("224.0.0.", "ff02:")):
        yield "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"


def _endpoints(obj: Obj, now: float) -> str:
    shown = []
    for subset in obj.get("subsets") or ():
        addresses = [each["ip"] for each in subset.get("addresses") or ()]
        ports = [port["port"] for port in subset.get("ports") or ()]
        if not ports:
            shown += addresses
        for port in ports:
            shown += [f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip in addresses]
    more = f" + {len(shown) - _SHOWN} more..." if len(shown) > _SHOWN else ""
    return ",".join(shown[:_SHOWN]) + more or NONE


ENDPOINTS = builtin(
    GVR("", "v1", "endpoints", kind="Endpoints"),
    "api.core.v1.endpoints_types:Endpoints",
    strategy=EndpointsStrategy(),
    columns=(NAME, Column("Endpoints", _endpoints, description="Addresses that take traffic."), AGE),
    short_names=("ep",),
    deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
)
