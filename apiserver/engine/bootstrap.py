"""What exists in every cluster before anybody writes: four namespaces, the system's priority classes, the
`kubernetes` range of cluster addresses and Service, the DNS's Service, and how extension API servers tell who asks.

`ensure_*` are idempotent: they run on every start and every few seconds, create what is missing (somebody may have
deleted it), and put the endpoint's address right after the server's own address changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from api.resource import Obj
from apiserver.admission.priority import builtin_classes
from apiserver.auth.user import User
from apiserver.engine.addresses import Network
from apiserver.engine.create import create
from apiserver.engine.engine import Call, Engine, WriteOptions
from apiserver.engine.update import update
from machinery.errors import AlreadyExists, Invalid, NotFound

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
PERIOD_S = 10.0
SELF = User("system:apiserver", ("system:masters",))
_OPTIONS = WriteOptions(field_manager="kube-apiserver")


async def ensure_basics(
    engine: Engine,
    *,
    service_cidr: Network,
    port: int,
    public_port: int,
    dns_address: str = "",
    authentication: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """The first address of `service_cidr`, and `port`: where the API servers are found in the cluster; behind it is
    `public_port`. Their endpoints are `presence.py`'s. `dns_address` "": the cluster has no DNS of its own."""
    for name in NAMESPACES:
        await ensure(engine, "", "namespaces", "", {"metadata": {"name": name}})
    for priority_class in builtin_classes():
        await ensure(engine, "scheduling.k8s.io", "priorityclasses", "", priority_class)
    cidr = {"metadata": {"name": "kubernetes"}, "spec": {"cidrs": [str(service_cidr)]}}
    await ensure(engine, "networking.k8s.io", "servicecidrs", "", cidr)
    service_ip = str(service_cidr.network_address + 1)
    # Refused where a server that ended left the address taken: the repair frees it, and the next round makes it.
    with contextlib.suppress(Invalid):
        await ensure(engine, "", "services", "default", kubernetes_service(service_ip, port, public_port))
    if dns_address:
        with contextlib.suppress(Invalid):  # somebody's own DNS has the address
            await ensure(engine, "", "services", "kube-system", dns_service(dns_address))
    if authentication:
        await ensure_authentication(engine, authentication)


async def ensure_authentication(engine: Engine, data: Mapping[str, str]) -> None:
    """How extension API servers tell who asks; kept current, as certificates may have been replaced."""
    name, namespace = "extension-apiserver-authentication", "kube-system"
    await ensure(engine, "", "configmaps", namespace, {"metadata": {"name": name}, "data": dict(data)})
    served = engine.catalog.find("", "configmaps")
    entry = await served.store.get(namespace, name) if served is not None else None
    if served is None or entry is None:
        return
    standing = served.load(entry)
    held = standing.get("data") or {}
    if any(held.get(key) != value for key, value in data.items()):
        call = Call(served, SELF, namespace, name, options=_OPTIONS)
        await update(engine, call, {**standing, "data": {**held, **data}})


async def ensure(engine: Engine, group: str, plural: str, namespace: str, obj: Obj) -> None:
    """Create `obj` where its name is free; leave alone what stands."""
    served = engine.catalog.find(group, plural)
    if served is None:
        return
    name = obj["metadata"]["name"]
    if await served.store.get(namespace, name) is not None:
        return
    resource = served.resource
    whole = {"apiVersion": resource.gvr.api_version, "kind": resource.kind, **obj}
    decoded, _ = resource.codec().decode(whole)
    try:
        await create(engine, Call(served, SELF, namespace, options=_OPTIONS), decoded)
    except AlreadyExists:
        return


def kubernetes_service(service_ip: str, port: int, target_port: int) -> Obj:
    return {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": service_ip,
            "clusterIPs": [service_ip],
            "ports": [{"name": "https", "port": port, "protocol": "TCP", "targetPort": target_port}],
            "sessionAffinity": "None",
        },
    }


def dns_service(address: str) -> Obj:
    """Named and labelled as kubeadm does it. Without a selector: every node answers for itself (`network/dns`)."""
    ports = (("dns", "UDP"), ("dns-tcp", "TCP"))
    return {
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {
                "k8s-app": "kube-dns",
                "kubernetes.io/cluster-service": "true",
                "kubernetes.io/name": "CoreDNS",
            },
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ports": [
                {"name": name, "port": 53, "protocol": protocol, "targetPort": 53} for name, protocol in ports
            ],
            "sessionAffinity": "None",
        },
    }


def kubernetes_slice(addresses: list[str], port: int) -> Obj:
    family = "IPv6" if any(":" in address for address in addresses) else "IPv4"
    return {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": family,
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


def kubernetes_endpoints(addresses: list[str], port: int) -> Obj:
    return {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [
            {
                "addresses": [{"ip": address} for address in addresses],
                "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            }
        ],
    }


async def ensure_endpoints(engine: Engine, addresses: list[str], port: int) -> None:
    told = [("discovery.k8s.io", "endpointslices", kubernetes_slice(addresses, port))]
    reachable = [address for address in addresses if not ip_address(address).is_loopback]
    if reachable:  # Endpoints never hold loopback addresses
        told.append(("", "endpoints", kubernetes_endpoints(reachable, port)))
    for group, plural, wanted in told:
        served = engine.catalog.find(group, plural)
        if served is None:
            continue
        await ensure(engine, group, plural, "default", wanted)
        entry = await served.store.get("default", "kubernetes")
        if entry is None:
            continue
        standing = served.load(entry)
        parts: dict[str, Any] = {key: value for key, value in wanted.items() if key != "metadata"}
        if any(_differs(standing.get(key), value) for key, value in parts.items()):
            call = Call(served, SELF, "default", "kubernetes", options=_OPTIONS)
            try:
                await update(engine, call, {**standing, **parts})
            except NotFound:
                await ensure(engine, group, plural, "default", wanted)


def _differs(standing: Any, wanted: Any) -> bool:
    """Whether `wanted` says anything that does not stand; defaults that were added do not count."""
    if isinstance(wanted, dict) and isinstance(standing, dict):
        return any(_differs(standing.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(standing, list):
        return len(wanted) != len(standing) or any(map(_differs, standing, wanted))
    return bool(standing != wanted)
