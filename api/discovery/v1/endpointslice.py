"""EndpointSlice: some of the addresses behind a Service."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import ATOMIC, SET, Enum, Int32, Proto, atomic
from api.builtin import builtin
from api.columns import AGE, NAME
from api.core.v1.reference import ObjectReference
from api.meta.v1 import ObjectMeta
from api.resource import Column, Strategy
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.gvk import ENDPOINTSLICES


class EndpointConditions(TypedDict, total=False):
    """Whether an endpoint can be used."""

    ready: Annotated[bool, Proto(1), "Whether it takes traffic."]
    serving: Annotated[bool, Proto(2), "As ready, but also while it ends."]
    terminating: Annotated[bool, Proto(3), "Whether it is ending."]


class ForZone(TypedDict, total=False):
    """A zone that an endpoint is meant for."""

    name: Required[Annotated[str, Proto(1)]]


class ForNode(TypedDict, total=False):
    """A node that an endpoint is meant for."""

    name: Required[Annotated[str, Proto(1)]]


class EndpointHints(TypedDict, total=False):
    """Where an endpoint should be used from."""

    forZones: Annotated[list[ForZone], Proto(1), ATOMIC]
    forNodes: Annotated[list[ForNode], Proto(2), ATOMIC]


class Endpoint(TypedDict, total=False):
    """A pod, or the like, behind a service."""

    addresses: Required[
        Annotated[list[str], Proto(1), SET, "Its addresses; they are the same to whoever uses them."]
    ]
    conditions: Annotated[EndpointConditions, Proto(2), "Whether it can be used."]
    hostname: Annotated[str, Proto(3), "Its own name in DNS."]
    targetRef: Annotated[ObjectReference, Proto(4), "The object behind it."]
    deprecatedTopology: Annotated[dict[str, str], Proto(5), "No longer used."]
    nodeName: Annotated[str, Proto(6), "The node it is on."]
    zone: Annotated[str, Proto(7), "The zone it is in."]
    hints: Annotated[EndpointHints, Proto(8), "Where it should be used from."]


@atomic
class EndpointPort(TypedDict, total=False):
    """A port that all endpoints of the slice serve."""

    name: Annotated[str, Proto(1)]
    protocol: Annotated[str, Proto(2)]
    port: Annotated[Int32, Proto(3)]
    appProtocol: Annotated[str, Proto(4)]


class EndpointSlice(TypedDict, total=False):
    """Some of the addresses behind a service."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    endpoints: Annotated[list[Endpoint], Proto(2), ATOMIC, "At most 1000 endpoints."]
    ports: Annotated[list[EndpointPort], Proto(3), ATOMIC, "Ports that all of them serve."]
    addressType: Required[
        Annotated[str, Proto(4), Enum("FQDN", "IPv4", "IPv6"), "IPv4, IPv6 or FQDN; cannot be changed."]
    ]


Obj = dict[str, Any]

_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_MAX_ENDPOINTS, _MAX_PORTS, _MAX_ADDRESSES, _MAX_HINTS = 1000, 20000, 100, 8
_SHOWN = 3


class EndpointSliceStrategy(Strategy):
    def default(self, obj: Obj) -> None:
        for port in obj.get("ports") or ():
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        kind = obj.get("addressType", "")
        errors.one_of("addressType", kind, _ADDRESS_TYPES, required=True)
        endpoints, ports = obj.get("endpoints") or [], obj.get("ports") or []
        if len(endpoints) > _MAX_ENDPOINTS:
            errors.too_many("endpoints", len(endpoints), _MAX_ENDPOINTS)
        else:
            for index, endpoint in enumerate(endpoints):
                _validate_endpoint(errors, endpoint, kind, f"endpoints[{index}]")
        if len(ports) > _MAX_PORTS:
            errors.too_many("ports", len(ports), _MAX_PORTS)
        else:
            _validate_ports(errors, ports)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += self.validate(obj)
        errors.immutable("addressType", obj.get("addressType"), old.get("addressType"))
        return errors.causes


def _validate_endpoint(errors: Errors, endpoint: Obj, kind: str, path: str) -> None:
    addresses = endpoint.get("addresses") or []
    if not addresses:
        errors.required(f"{path}.addresses", "must contain at least 1 address")
    elif len(addresses) > _MAX_ADDRESSES:
        errors.too_many(f"{path}.addresses", len(addresses), _MAX_ADDRESSES)
    rule = names.dns1123_subdomain if kind == "FQDN" else names.ip
    for index, address in enumerate(addresses):
        bad = rule(address)
        errors.invalid_each(f"{path}.addresses[{index}]", address, bad)
        if not bad and kind in ("IPv4", "IPv6") and (":" in address) != (kind == "IPv6"):
            message = f"must be an {kind} address"
            errors.invalid(f"{path}.addresses[{index}]", address, message)
    if endpoint.get("nodeName") is not None:
        errors.invalid_each(
            f"{path}.nodeName", endpoint["nodeName"], names.dns1123_subdomain(endpoint["nodeName"])
        )
    if endpoint.get("hostname") is not None:
        errors.invalid_each(
            f"{path}.hostname", endpoint["hostname"], names.dns1123_label(endpoint["hostname"])
        )
    hints = endpoint.get("hints") or {}
    for field in ("forZones", "forNodes"):
        if len(hints.get(field) or ()) > _MAX_HINTS:
            errors.too_many(f"{path}.hints.{field}", len(hints[field]), _MAX_HINTS)
        for index, each in enumerate(hints.get(field) or ()):
            if not each.get("name"):
                errors.required(f"{path}.hints.{field}[{index}].name")


def _validate_ports(errors: Errors, ports: Iterable[Obj]) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at, name = f"ports[{index}]", port.get("name", "")
        if name:
            errors.invalid_each(f"{at}.name", name, names.dns1123_label(name))
        if name in seen:
            errors.duplicate(f"{at}.name", name)
        seen.add(name)
        errors.one_of(f"{at}.protocol", port.get("protocol"), _PROTOCOLS, required=True)
        if port.get("appProtocol"):
            errors.invalid_each(
                f"{at}.appProtocol", port["appProtocol"], names.qualified_name(port["appProtocol"])
            )


def _few(all_of_them: list[str]) -> str:
    """The first three, and how many more."""
    if not all_of_them:
        return "<unset>"
    shown = ",".join(all_of_them[:_SHOWN])
    more = len(all_of_them) - _SHOWN
    return f"{shown} + {more} more..." if more > 0 else shown


def _ports(obj: Obj, now: float) -> str:
    return _few([str(port.get("port", "*")) for port in obj.get("ports") or ()])


def _endpoints(obj: Obj, now: float) -> str:
    return _few([a for endpoint in obj.get("endpoints") or () for a in endpoint.get("addresses") or ()])


ENDPOINTSLICE = builtin(
    ENDPOINTSLICES,
    EndpointSlice,
    strategy=EndpointSliceStrategy(),
    columns=(
        NAME,
        Column("AddressType", ".addressType", description="What its addresses are."),
        Column("Ports", _ports, description="Ports that its endpoints serve."),
        Column("Endpoints", _endpoints, description="Addresses of its endpoints."),
        AGE,
    ),
)
