"""Which DNS records a Service and its EndpointSlices ask for: pure.

In come the objects as they are; out go records with lower-case names without the dot at the end, and with their data in
the form of zone files. Follows the Kubernetes DNS specification 1.1.0, and CoreDNS where that says nothing or clients
have come to rely on more: an SRV question for the Service's own name is answered with all its ports, endpoints of a
Service with a cluster address have names too, and an endpoint without a hostname is called by its address (10-1-2-3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple

Obj = dict[str, Any]
SERVICE_NAME = "kubernetes.io/service-name"
_TOLERATE_UNREADY = "service.alpha.kubernetes.io/tolerate-unready-endpoints"


class Record(NamedTuple):
    name: str
    kind: str  # A, AAAA, CNAME, PTR, SRV, ...
    data: str


class _Endpoint(NamedTuple):
    address: str
    label: str
    is_named: bool  # by its hostname; else by its address
    ports: tuple[tuple[str, str, int], ...]  # (name, protocol, number)


def plan_records(service: Obj, slices: Iterable[Obj], domain: str) -> tuple[Record, ...]:
    """Each once, in a fixed order. `slices` are the Service's own."""
    meta, spec = service["metadata"], service.get("spec") or {}
    name = f"{meta['name']}.{meta['namespace']}.svc.{domain}".lower()
    if spec.get("type") == "ExternalName":
        return tuple(_external(name, str(spec.get("externalName") or "")))
    endpoints = _endpoints(service, slices)
    addresses = cluster_addresses(service)
    if addresses:
        found = [*_cluster(name, spec, addresses), *_endpoint_names(name, endpoints, all_reverse=False)]
    elif spec.get("clusterIP") == "None":
        found = [*_headless(name, endpoints), *_endpoint_names(name, endpoints, all_reverse=True)]
    else:
        found = []  # its address is not allocated yet
    return tuple(dict.fromkeys(found))


def cluster_addresses(service: Obj) -> list[str]:
    spec = service.get("spec") or {}
    return [each for each in spec.get("clusterIPs") or [spec.get("clusterIP")] if each and _is_address(each)]


def _is_address(text: str) -> bool:
    """Older servers took some that are none, such as 10.01.2.3, and keep them."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def reverse_name(address: str) -> str:
    return ip_address(address).reverse_pointer


def address_record(name: str, address: str) -> Record:
    return Record(name, "AAAA" if ":" in address else "A", address)


def _external(name: str, target: str) -> Iterator[Record]:
    """An address in place of a name is what upstream ignores as well."""
    target = target.rstrip(".")
    if target and not _is_address(target):
        yield Record(name, "CNAME", f"{target}.")


def _cluster(name: str, spec: Obj, addresses: Sequence[str]) -> Iterator[Record]:
    for address in addresses:
        yield address_record(name, address)
        yield Record(reverse_name(address), "PTR", f"{name}.")
    for port in spec.get("ports") or ():
        protocol = str(port.get("protocol") or "TCP")
        yield from _srv(name, str(port.get("name") or ""), protocol, 100, port["port"], name)


def _headless(name: str, endpoints: Sequence[_Endpoint]) -> Iterator[Record]:
    weight = max(1, 100 // max(1, len(endpoints)))
    for endpoint in endpoints:
        yield address_record(name, endpoint.address)
        target = f"{endpoint.label}.{name}"
        for port, protocol, number in endpoint.ports:
            yield from _srv(name, port, protocol, weight, number, target)
        if not endpoint.ports:
            yield Record(name, "SRV", f"0 {weight} 0 {target}.")  # how peers find each other by SRV


def _endpoint_names(name: str, endpoints: Sequence[_Endpoint], *, all_reverse: bool) -> Iterator[Record]:
    for endpoint in endpoints:
        own = f"{endpoint.label}.{name}"
        yield address_record(own, endpoint.address)
        if endpoint.is_named or all_reverse:
            yield Record(reverse_name(endpoint.address), "PTR", f"{own}.")


def _srv(name: str, port: str, protocol: str, weight: int, number: int, target: str) -> Iterator[Record]:
    data = f"0 {weight} {number} {target}."
    yield Record(name, "SRV", data)
    if port:
        yield Record(f"_{port}._{protocol}.{name}".lower(), "SRV", data)


def _endpoints(service: Obj, slices: Iterable[Obj]) -> list[_Endpoint]:
    """Those that are ready, or all where the Service asks for them, by address."""
    spec = service.get("spec") or {}
    annotations = service["metadata"].get("annotations") or {}
    every = spec.get("publishNotReadyAddresses") or annotations.get(_TOLERATE_UNREADY) == "true"
    found = []
    for each in slices:
        if each.get("addressType") not in ("IPv4", "IPv6"):
            continue
        ports = tuple(
            (str(port.get("name") or ""), str(port.get("protocol") or "TCP"), int(port["port"]))
            for port in each.get("ports") or ()
            if port.get("port")
        )
        for endpoint in each.get("endpoints") or ():
            if not every and (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            hostname = endpoint.get("hostname") or ""
            for address in filter(_is_address, endpoint["addresses"]):
                label = hostname or address.replace(".", "-").replace(":", "-")
                found.append(_Endpoint(address, label.lower(), bool(hostname), ports))
    return sorted(set(found))
