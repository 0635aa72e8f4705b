"""The Node object this agent keeps: labels, capacity, addresses, conditions. Pure.

Source: Kubernetes "Node Status"; kubelet nodestatus/setters.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from machinery import quantity
from machinery.clock import rfc3339
from machinery.resource_names import is_extended
from machinery.version import KUBERNETES_VERSION
from nodeagent.config import AgentConfig
from nodeagent.node.machine import Machine
from runtime.cri import HANDLERS, FilesystemUsage, Image, RuntimeCondition

Obj = dict[str, Any]
MAX_IMAGES = 50
HANDLER_FEATURES = {"recursiveReadOnlyMounts": True, "userNamespaces": False}
_SUFFICIENT = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}
_PRESSURE = {
    "MemoryPressure": ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    "DiskPressure": ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    "PIDPressure": ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
}


@dataclass(frozen=True, slots=True)
class NodeReading:
    """What was read of the node just now."""

    runtime: Sequence[RuntimeCondition]
    images: Sequence[Image] = ()
    filesystem: FilesystemUsage | None = None
    pressure: frozenset[str] = frozenset()  # MemoryPressure, DiskPressure, PIDPressure
    runtime_name: str = "kctl"
    runtime_version: str = "0"
    stopping: bool = False


def node_labels(config: AgentConfig, machine: Machine) -> dict[str, str]:
    return {
        "beta.kubernetes.io/arch": machine.arch,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine.arch,
        "kubernetes.io/hostname": config.hostname or config.node_name,
        "kubernetes.io/os": "linux",
        **config.node_labels,
    }


def new_node(config: AgentConfig, machine: Machine) -> Obj:
    """The object to register, without its status."""
    spec: Obj = {}
    if config.pod_cidr:
        spec |= {"podCIDR": config.pod_cidr, "podCIDRs": [config.pod_cidr]}
    if config.register_taints:
        spec["taints"] = [dict(taint) for taint in config.register_taints]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": config.node_name,
            "labels": node_labels(config, machine),
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": spec,
    }


def _kibibytes(size_bytes: int) -> str:
    """In the form the server keeps (8Gi, not 8388608Ki): else every report would look like news."""
    return quantity.canonical(f"{size_bytes // 1024}Ki")


def capacity(config: AgentConfig, machine: Machine, filesystem: FilesystemUsage | None) -> dict[str, str]:
    disk = filesystem.capacity_bytes if filesystem else 0
    return {
        "cpu": str(machine.cores),
        "memory": _kibibytes(machine.memory_bytes),
        "ephemeral-storage": _kibibytes(disk),
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "pods": str(config.max_pods),
    }


def allocatable(config: AgentConfig, machine: Machine, filesystem: FilesystemUsage | None) -> dict[str, str]:
    reserved = min(config.system_reserved_memory_bytes, machine.memory_bytes // 4)
    disk = filesystem.capacity_bytes if filesystem else 0
    return {
        **capacity(config, machine, filesystem),
        "memory": _kibibytes(machine.memory_bytes - reserved),
        "ephemeral-storage": str(int(disk * (1 - config.evict_disk_available_fraction))),
    }


def extended_resources(known: Mapping[str, str]) -> dict[str, str]:
    """What others advertise in the node's capacity (example.com/dongle: 4): it stays, and all of it may be given to pods."""
    return {name: amount for name, amount in known.items() if is_extended(name)}


def node_status(
    config: AgentConfig, machine: Machine, reading: NodeReading, old: Mapping[str, Any], now: float
) -> Obj:
    addresses = [{"type": "InternalIP", "address": ip} for ip in config.node_ips]
    addresses.append({"type": "Hostname", "address": config.hostname or config.node_name})
    advertised = extended_resources(old.get("capacity") or {})
    biggest = sorted(reading.images, key=lambda image: (-image.size_bytes, image.id))[:MAX_IMAGES]
    return {
        "addresses": addresses,
        "capacity": capacity(config, machine, reading.filesystem) | advertised,
        "allocatable": allocatable(config, machine, reading.filesystem) | advertised,
        "conditions": node_conditions(reading, old.get("conditions") or (), now),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": config.port}},
        "images": [
            {"names": [*image.repo_digests, *image.repo_tags], "sizeBytes": image.size_bytes}
            for image in biggest
        ],
        "nodeInfo": {
            "architecture": machine.arch,
            "bootID": machine.boot_id,
            "containerRuntimeVersion": f"{reading.runtime_name}://{reading.runtime_version}",
            "kernelVersion": machine.kernel,
            "kubeProxyVersion": "",
            "kubeletVersion": KUBERNETES_VERSION,
            "machineID": machine.machine_id,
            "operatingSystem": "linux",
            "osImage": machine.os_image,
            "systemUUID": machine.system_uuid,
        },
        "runtimeHandlers": [{"name": name, "features": dict(HANDLER_FEATURES)} for name in HANDLERS],
    }


def node_conditions(reading: NodeReading, old: Iterable[Mapping[str, Any]], now: float) -> list[Obj]:
    """The conditions of the node agent; those of others follow unchanged."""
    before = {c["type"]: c for c in old}
    made: list[Obj] = []
    for type_ in ("MemoryPressure", "DiskPressure", "PIDPressure"):
        pressed = type_ in reading.pressure
        reason, message = (_PRESSURE if pressed else _SUFFICIENT)[type_]
        made.append(_condition(before.get(type_), type_, pressed, reason, message, now))
    broken = [f"{c.message or c.reason or c.type}" for c in reading.runtime if not c.status]
    if reading.stopping:
        broken.append("node is shutting down")
    if broken:
        made.append(
            _condition(before.get("Ready"), "Ready", False, "KubeletNotReady", "; ".join(broken), now)
        )
    else:
        text = "kubelet is posting ready status"
        made.append(_condition(before.get("Ready"), "Ready", True, "KubeletReady", text, now))
    own = {c["type"] for c in made}
    return made + [dict(c) for type_, c in before.items() if type_ not in own]


def _condition(
    old: Mapping[str, Any] | None, type_: str, value: bool, reason: str, message: str, now: float
) -> Obj:
    status, stamp = "True" if value else "False", rfc3339(now)
    kept = old is not None and old.get("status") == status
    return {
        "type": type_,
        "status": status,
        "lastHeartbeatTime": stamp,
        "lastTransitionTime": old["lastTransitionTime"] if kept and old else stamp,
        "reason": reason,
        "message": message,
    }


def is_same_status(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Equal but for the heartbeat's time."""
    return _timeless(left) == _timeless(right)


def _timeless(status: Mapping[str, Any]) -> Obj:
    conditions = [
        {key: value for key, value in condition.items() if key != "lastHeartbeatTime"}
        for condition in status.get("conditions") or ()
    ]
    return {
        **{
            k: status.get(k) or None  # an empty list is not kept
            for k in (
                "addresses",
                "capacity",
                "allocatable",
                "daemonEndpoints",
                "images",
                "nodeInfo",
                "runtimeHandlers",
            )
        },
        "conditions": conditions,
    }
