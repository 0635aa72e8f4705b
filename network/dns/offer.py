"""Whether this node's own DNS stands behind the DNS Service: pure.

It does while the Service is nobody else's, that is, has neither a selector nor EndpointSlices: who deploys a CoreDNS of his
own gets all the questions. What makes the service proxy lead them here is a slice that is never stored, since every
node is its own endpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from machinery.gvk import Key, key_of
from network.dns.records import SERVICE_NAME

Obj = dict[str, Any]
SERVICE = Key("kube-system", "kube-dns")
_NUMBER = 53


def plan_offer(
    services: Iterable[Obj], slices: Iterable[Obj], address: str, ports: tuple[int, int]
) -> list[Obj]:
    """The slice, or nothing. `ports` are those of this node's sockets for datagrams and for streams."""
    service = next((each for each in services if key_of(each) == SERVICE), None)
    if service is None or service["spec"].get("selector") or any(map(_is_of_service, slices)):
        return []
    own = dict(zip(("UDP", "TCP"), ports, strict=True))
    offered = [
        {"name": port.get("name") or "", "protocol": protocol, "port": own[protocol]}
        for port in service["spec"].get("ports") or ()
        if port.get("port") == _NUMBER and (protocol := port.get("protocol") or "TCP") in own
    ]
    return [
        {
            "metadata": {
                "name": f"{SERVICE.name}-node",
                "namespace": SERVICE.namespace,
                "labels": {SERVICE_NAME: SERVICE.name},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": offered,
        }
    ]


def _is_of_service(each: Obj) -> bool:
    meta = each["metadata"]
    return Key(meta["namespace"], (meta.get("labels") or {}).get(SERVICE_NAME, "")) == SERVICE
