"""A pod as the scheduler sees it: parsed once, when it enters the queue or the cache, never in a cycle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from machinery import quantity
from machinery.gvk import Key, key_of

Obj = dict[str, Any]
Resources = Mapping[str, int]  # cpu in millicores, everything else in its unit

# What a container without requests is taken to use when nodes are compared (never when they are filtered).
_ASSUMED_MILLICPU = 100
_ASSUMED_MEMORY_BYTES = 200 << 20


@dataclass(frozen=True, slots=True)
class HostPort:
    ip: str
    protocol: str
    port: int

    def conflicts(self, other: HostPort) -> bool:
        """0.0.0.0 takes the port on every address."""
        if self.port != other.port or self.protocol != other.protocol:
            return False
        return self.ip == other.ip or "0.0.0.0" in (self.ip, other.ip)


@dataclass(frozen=True, slots=True)
class PodInfo:
    pod: Obj
    key: Key
    uid: str
    priority: int
    requests: Resources
    assumed_requests: Resources  # `requests`, with a guess where a container asks for nothing
    host_ports: tuple[HostPort, ...]
    node_name: str

    @property
    def spec(self) -> Obj:
        spec: Obj = self.pod["spec"]
        return spec

    @property
    def labels(self) -> Mapping[str, str]:
        labels: Mapping[str, str] = self.pod["metadata"].get("labels") or {}
        return labels


def parse_pod(pod: Obj) -> PodInfo:
    spec = pod["spec"]
    return PodInfo(
        pod=pod,
        key=key_of(pod),
        uid=pod["metadata"].get("uid", ""),
        priority=spec.get("priority") or 0,
        requests=pod_requests(spec),
        assumed_requests=pod_requests(spec, assume=True),
        host_ports=_host_ports(spec),
        node_name=spec.get("nodeName", ""),
    )


def pod_requests(spec: Obj, *, assume: bool = False) -> dict[str, int]:
    """What the pod takes of a node: its containers and sidecars together, or an init container where that is
    more, and its overhead (KEP-753). Pod-level requests win over the sum (KEP-2837)."""
    total: dict[str, int] = {}
    for container in spec.get("containers", ()):
        _add(total, _container_requests(container, assume))
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in spec.get("initContainers", ()):
        wants = _container_requests(container, assume)
        if container.get("restartPolicy") == "Always":
            _add(total, wants)
            _add(sidecars, wants)
            wants = dict(sidecars)
        else:
            for name, amount in sidecars.items():
                wants[name] = wants.get(name, 0) + amount
        for name, amount in wants.items():
            peak[name] = max(peak.get(name, 0), amount)
    for name, amount in peak.items():
        total[name] = max(total.get(name, 0), amount)
    total |= _amounts((spec.get("resources") or {}).get("requests") or {})
    _add(total, _amounts(spec.get("overhead") or {}))
    return total


def _container_requests(container: Obj, assume: bool) -> dict[str, int]:
    wants = _amounts((container.get("resources") or {}).get("requests") or {})
    if assume:
        wants.setdefault("cpu", _ASSUMED_MILLICPU)
        wants.setdefault("memory", _ASSUMED_MEMORY_BYTES)
    return wants


def amounts(resources: Mapping[str, Any]) -> dict[str, int]:
    """A ResourceList in integers: cpu in millicores (rounded up), the rest in whole units."""
    return _amounts(resources)


def _amounts(resources: Mapping[str, Any]) -> dict[str, int]:
    return {
        name: quantity.milli_value(amount) if name == "cpu" else quantity.value(amount)
        for name, amount in resources.items()
    }


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _host_ports(spec: Obj) -> tuple[HostPort, ...]:
    containers: Sequence[Obj] = [
        *spec.get("containers", ()),
        *(c for c in spec.get("initContainers", ()) if c.get("restartPolicy") == "Always"),
    ]
    on_host = spec.get("hostNetwork", False)
    return tuple(
        HostPort(port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", number)
        for container in containers
        for port in container.get("ports") or ()
        if (number := port.get("hostPort") or (port["containerPort"] if on_host else 0))
    )
