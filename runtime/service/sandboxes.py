"""The verbs on pod sandboxes: address and firewall here, namespaces and cgroup in the spawner."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtime.cgroups.plan import needed_controllers, plan_writes
from runtime.cri import LinuxResources, RuntimeFailure, Sandbox, SandboxConfig, require_handler
from runtime.network.ipam import AddressesExhausted
from runtime.service.codec import encode
from runtime.service.connection import SpawnerRefused
from runtime.service.pod_files import plan_pod_files, resolv_conf

if TYPE_CHECKING:
    from runtime.service.native import NativeRuntime

FAILED = "FailedCreatePodSandBox"
DEFAULT_PARENT = "/kctl/pods"


async def run(runtime: NativeRuntime, config: SandboxConfig) -> Sandbox:
    require_handler(config.runtime_handler)
    sandbox_id = f"{runtime.rng.getrandbits(256):064x}"
    address = _allocate(runtime, sandbox_id, config)
    try:
        answer, _ = await runtime.connection.ask(
            "create_sandbox", {"request": _request(runtime, sandbox_id, config, address)}
        )
        if config.port_mappings and address:
            runtime.firewall.add_pod(sandbox_id, address, config.port_mappings)
            await runtime.firewall.sync()
    except RuntimeFailure as refused:
        _free(runtime, sandbox_id)
        await runtime.connection.ask("remove_sandbox", {"id": sandbox_id})
        runtime.mirror.forget_sandbox(sandbox_id)
        raise RuntimeFailure(FAILED, str(refused)) from refused
    return runtime.mirror.sandbox(answer["sandbox"]["request"]["id"])


async def stop(runtime: NativeRuntime, sandbox_id: str) -> None:
    if sandbox_id not in runtime.mirror.sandboxes:
        return
    await runtime.connection.ask("stop_sandbox", {"id": sandbox_id})
    await _free_all(runtime, sandbox_id)


async def remove(runtime: NativeRuntime, sandbox_id: str) -> None:
    if sandbox_id not in runtime.mirror.sandboxes:
        return
    await stop(runtime, sandbox_id)
    await runtime.connection.ask("remove_sandbox", {"id": sandbox_id})
    for container in [c for c in runtime.mirror.containers.values() if c.sandbox_id == sandbox_id]:
        await runtime.rootfs.remove(container.id)
        runtime.mirror.forget_container(container.id)
    runtime.mirror.forget_sandbox(sandbox_id)


async def update(runtime: NativeRuntime, sandbox_id: str, resources: LinuxResources) -> None:
    config = replace(runtime.mirror.sandbox(sandbox_id).config, resources=resources)
    writes = plan_writes(runtime.layout, resources, is_container=False)
    try:
        await runtime.connection.ask(
            "update_sandbox",
            {"id": sandbox_id, "writes": [list(w) for w in writes], "config": encode(config)},
        )
    except SpawnerRefused as refused:
        raise RuntimeFailure("UpdateResourcesError", str(refused)) from refused
    runtime.mirror.set_sandbox_config(sandbox_id, config)


def group_of(sandbox_id: str, config: SandboxConfig) -> str:
    """The pod's cgroup: the agent's choice, or one of its own."""
    return "/" + (config.cgroup_parent or f"{DEFAULT_PARENT}/{sandbox_id}").strip("/")


def _allocate(runtime: NativeRuntime, sandbox_id: str, config: SandboxConfig) -> str:
    if config.namespaces.host_network:
        return ""
    if runtime.addresses is None:
        raise RuntimeFailure(FAILED, "the node has no pod CIDR yet")
    try:
        return runtime.addresses.allocate(sandbox_id)
    except AddressesExhausted as exhausted:
        raise RuntimeFailure(FAILED, str(exhausted)) from exhausted


def _free(runtime: NativeRuntime, sandbox_id: str) -> None:
    if runtime.addresses is not None:
        runtime.addresses.release(sandbox_id)
    runtime.firewall.remove_pod(sandbox_id)


async def _free_all(runtime: NativeRuntime, sandbox_id: str) -> None:
    _free(runtime, sandbox_id)
    await runtime.firewall.sync()


def _request(runtime: NativeRuntime, sandbox_id: str, config: SandboxConfig, address: str) -> dict[str, Any]:
    resources = config.resources
    writes = plan_writes(runtime.layout, resources, is_container=False) if resources else ()
    resolv = "" if resolv_conf(config.dns) else _read("/etc/resolv.conf")
    hosts = _read("/etc/hosts") if config.namespaces.host_network else ""
    return {
        "id": sandbox_id,
        "group": group_of(sandbox_id, config),
        "controllers": list(needed_controllers(runtime.layout, resources or LinuxResources())),
        "writes": [list(write) for write in writes],
        "hostname": config.hostname,
        "address": address,
        "host_network": config.namespaces.host_network,
        "host_ipc": config.namespaces.host_ipc,
        "pid": config.namespaces.pid,
        "sysctls": dict(config.sysctls),
        "files": plan_pod_files(config, address, resolv, hosts),
        "config": encode(config),
    }


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
