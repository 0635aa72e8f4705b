"""EndpointSlice: some of the addresses behind a Service."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import ATOMIC, SET, Enum, Int32, Proto, atomic
from api.builtin import builtin
from api.columns import AGE, NAME
from api.core.v1.reference import ObjectReference
from api.meta.v1 import ObjectMeta
from api.resource import Column, Strategy
from api.validation.addresses import endpoint_complaints, ip_warnings, is_ipv6, validate_ip
from api.validation.domains import validate_host
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
_MAX_TOPOLOGY = 16
_LOCAL = ("loopback range", "link-local range")
_SHOWN = 3


class EndpointSliceStrategy(Strategy):
    generation_of = ("labels",)

    def default(self, obj: Obj) -> None:
        for port in obj.get("ports") or ():
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")

    def prepare_create(self, obj: Obj) -> None:
        _forget_topology(obj)

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        if obj.get("endpoints") != old.get("endpoints"):
            _forget_topology(obj)

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return _validate(obj, None)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += _validate(obj, old)
        errors.immutable("addressType", obj.get("addressType"), old.get("addressType"))
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        found = [*super().warnings(obj, old)]
        if obj.get("addressType") == "FQDN":
            return found
        for index, endpoint in enumerate(obj.get("endpoints") or ()):
            for position, address in enumerate(endpoint.get("addresses") or ()):
                found += ip_warnings(f"endpoints[{index}].addresses[{position}]", address)
        return found


def _forget_topology(obj: Obj) -> None:
    """Where an endpoint is has fields of its own today."""
    for endpoint in obj.get("endpoints") or ():
        endpoint.pop("deprecatedTopology", None)


def _validate(obj: Obj, old: Obj | None) -> Sequence[Cause]:
    errors = Errors()
    kind = obj.get("addressType", "")
    errors.one_of("addressType", kind, _ADDRESS_TYPES, required=True)
    before = (old or {}).get("endpoints") or ()
    kept = {address for endpoint in before for address in endpoint.get("addresses") or ()}
    endpoints, ports = obj.get("endpoints") or [], obj.get("ports") or []
    if len(endpoints) > _MAX_ENDPOINTS:
        errors.too_many("endpoints", len(endpoints), _MAX_ENDPOINTS)
    else:
        for index, endpoint in enumerate(endpoints):
            _validate_endpoint(errors, endpoint, kind, f"endpoints[{index}]", kept)
    if len(ports) > _MAX_PORTS:
        errors.too_many("ports", len(ports), _MAX_PORTS)
    else:
        _validate_ports(errors, ports)
    return errors.causes


def _validate_endpoint(errors: Errors, endpoint: Obj, kind: str, path: str, kept: set[str]) -> None:
    addresses = endpoint.get("addresses") or []
    if not addresses:
        errors.required(f"{path}.addresses", "must contain at least 1 address")
    elif len(addresses) > _MAX_ADDRESSES:
        errors.too_many(f"{path}.addresses", len(addresses), _MAX_ADDRESSES)
    for index, address in enumerate(addresses):
        _validate_address(errors, address, kind, f"{path}.addresses[{index}]", kept)
    if endpoint.get("nodeName") is not None:
        node = endpoint["nodeName"]
        errors.invalid_each(f"{path}.nodeName", node, names.dns1123_subdomain(node))
    topology = endpoint.get("deprecatedTopology") or {}
    if len(topology) > _MAX_TOPOLOGY:
        errors.too_many(f"{path}.deprecatedTopology", len(topology), _MAX_TOPOLOGY)
    errors.causes += names.labels(topology, f"{path}.deprecatedTopology")
    if endpoint.get("hostname") is not None:
        host = endpoint["hostname"]
        errors.invalid_each(f"{path}.hostname", host, names.dns1123_label(host))
    _validate_hints(errors, endpoint.get("hints") or {}, f"{path}.hints")


def _validate_address(errors: Errors, address: str, kind: str, path: str, kept: set[str]) -> None:
    """Loopback and link-local ones are good here: a cluster on one machine has its nodes there."""
    if kind == "FQDN":
        validate_host(errors, address, path)
    elif kind in ("IPv4", "IPv6") and validate_ip(errors, address, path, kept):
        if is_ipv6(address) != (kind == "IPv6"):
            errors.invalid(path, address, f"must be an {kind} address")
        wrong = [each for each in endpoint_complaints(address) if not any(ok in each for ok in _LOCAL)]
        errors.invalid_each(path, address, wrong)


def _validate_hints(errors: Errors, hints: Obj, path: str) -> None:
    for field, rule in (("forZones", names.label_value), ("forNodes", names.dns1123_subdomain)):
        found = hints.get(field) or []
        if len(found) > _MAX_HINTS:
            errors.too_many(f"{path}.{field}", len(found), _MAX_HINTS)
            return
        seen: set[str] = set()
        for index, each in enumerate(found):
            at, name = f"{path}.{field}[{index}].name", each.get("name", "")
            if name in seen:
                errors.duplicate(at, name)
            seen.add(name)
            errors.invalid_each(at, name, rule(name))


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
        if port.get("appProtocol") is not None:
            spoken = port["appProtocol"]
            errors.invalid_each(f"{at}.appProtocol", spoken, names.qualified_name(spoken))


def _few(all_of_them: list[str]) -> str:
    """The first three, and how many more."""
    if not all_of_them:
        return "<unset>"
    shown = ",".join(all_of_them[:_SHOWN])
    more = len(all_of_them) - _SHOWN
    return f"{shown} + {more} more..." if more > 0 else shown


def _ports(obj: Obj, now: float) -> str:
    return _few([str(port.get("port", port.get("name", "*"))) for port in obj.get("ports") or ()])


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
