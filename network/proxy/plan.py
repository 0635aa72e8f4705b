"""What the service proxy wants the kernel to do: a pure function of Services and EndpointSlices.

Every Service port becomes one `Forward`: traffic to an address, protocol and port goes to one of the
endpoints. Clusters without ready endpoints refuse at once instead of letting clients time out.

Follows Kubernetes "Virtual IPs and Service Proxies": ready endpoints only, or, when there is none that is
ready, those that still serve while terminating; externalTrafficPolicy and internalTrafficPolicy Local keep
to the node's own endpoints; sessionAffinity ClientIP sends a client to the endpoint it had, until it has not been seen
for the time that the Service says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Obj = dict[str, Any]
Protocol = Literal["tcp", "udp", "sctp"]
_SERVICE_NAME = "kubernetes.io/service-name"
_AFFINITY_S = 10800
# Labels, whatever their values, of Services that some other proxy serves.
_OTHERS = frozenset(("service.kubernetes.io/headless", "service.kubernetes.io/service-proxy-name"))


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    ip: str
    port: int


@dataclass(frozen=True, slots=True, order=True)
class Forward:
    """`address` "" means any address of the node (a nodePort). No endpoints: refuse. A client keeps its endpoint on all
    of an `owner`'s addresses."""

    address: str
    protocol: Protocol
    port: int
    endpoints: tuple[Endpoint, ...]
    sticky_s: int = 0  # how long a client keeps its endpoint; 0: not at all
    masquerade: bool = False  # the endpoint must answer through this node
    owner: str = ""  # NAMESPACE/NAME of the Service, and :PORT where that has a name


def plan_forwards(services: Iterable[Obj], slices: Iterable[Obj], node_name: str) -> tuple[Forward, ...]:
    """Sorted, so that equal inputs give equal rulesets."""
    by_service: dict[tuple[str, str], list[Obj]] = {}
    for each in slices:
        meta = each["metadata"]
        name = (meta.get("labels") or {}).get(_SERVICE_NAME)
        if name and each.get("addressType") == "IPv4":
            by_service.setdefault((meta["namespace"], name), []).append(each)
    forwards = [
        forward
        for service in services
        for forward in _of_service(
            service,
            by_service.get((service["metadata"]["namespace"], service["metadata"]["name"]), ()),
            node_name,
        )
    ]
    return tuple(sorted(forwards))


def _of_service(service: Obj, slices: Sequence[Obj], node_name: str) -> Iterable[Forward]:
    spec, meta = service["spec"], service["metadata"]
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") in (None, "", "None"):
        return
    if not _OTHERS.isdisjoint(meta.get("labels") or ()):
        return
    sticky_s = _affinity_s(spec)
    for port in spec.get("ports") or ():
        everywhere = _endpoints(slices, port, None)
        here = _endpoints(slices, port, node_name)
        inside = here if spec.get("internalTrafficPolicy") == "Local" else everywhere
        local_only = spec.get("externalTrafficPolicy") == "Local"
        outside = here if local_only else everywhere
        protocol: Any = (port.get("protocol") or "TCP").lower()
        owner = f"{meta['namespace']}/{meta['name']}" + (f":{port['name']}" if port.get("name") else "")
        for address in _ipv4(spec.get("clusterIPs") or [spec["clusterIP"]]):
            yield Forward(address, protocol, port["port"], inside, sticky_s, owner=owner)
        for address in _ipv4([*(spec.get("externalIPs") or ()), *_load_balancer_ips(service)]):
            yield Forward(address, protocol, port["port"], outside, sticky_s, not local_only, owner)
        if port.get("nodePort") and spec.get("type") in ("NodePort", "LoadBalancer"):
            yield Forward("", protocol, port["nodePort"], outside, sticky_s, not local_only, owner)


def _affinity_s(spec: Obj) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or _AFFINITY_S)


def _endpoints(slices: Sequence[Obj], port: Obj, node_name: str | None) -> tuple[Endpoint, ...]:
    """The addresses that take traffic for a Service port; with `node_name`, only those on that node."""
    ready: set[Endpoint] = set()
    serving: set[Endpoint] = set()
    for each in slices:
        number = _port_number(each, port)
        if number is None:
            continue
        for endpoint in each.get("endpoints") or ():
            if node_name is not None and endpoint.get("nodeName") != node_name:
                continue
            conditions: Mapping[str, bool | None] = endpoint.get("conditions") or {}
            addresses = {Endpoint(address, number) for address in endpoint["addresses"][:1]}
            if conditions.get("ready") is not False:
                ready |= addresses
            elif conditions.get("serving") and conditions.get("terminating"):
                serving |= addresses
    return tuple(sorted(ready or serving))


def _port_number(each: Obj, port: Obj) -> int | None:
    for candidate in each.get("ports") or ():
        if (candidate.get("name") or "") == (port.get("name") or ""):
            number: int | None = candidate.get("port")
            return number
    return None


def _load_balancer_ips(service: Obj) -> list[str]:
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return [entry["ip"] for entry in ingress if entry.get("ip")]


def _ipv4(addresses: Iterable[str]) -> list[str]:
    return [address for address in addresses if ":" not in address]
