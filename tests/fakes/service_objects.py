"""Services and EndpointSlices as tests need them."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]


def service(name: str = "web", namespace: str = "ns", **spec: Any) -> Obj:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.9", "ports": ports, **spec},
    }


def slice_of(*endpoints: Obj, name: str = "web", namespace: str = "ns", **more: Any) -> Obj:
    return {
        "metadata": {
            "name": f"{name}-x",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": list(endpoints),
        **more,
    }


def endpoint(ip: str, hostname: str = "", node: str = "a", **conditions: bool) -> Obj:
    named = {"hostname": hostname} if hostname else {}
    return {"addresses": [ip], "nodeName": node, "conditions": {"ready": True, **conditions}, **named}
