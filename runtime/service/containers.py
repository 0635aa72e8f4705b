"""The verbs on containers: image and root file system here, processes in the spawner."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtime.cgroups.plan import needed_controllers, plan_warnings, plan_writes
from runtime.cri import (
    ContainerConfig,
    ContainerState,
    Image,
    ImageConfig,
    LinuxResources,
    Rootfs,
    RuntimeFailure,
    Sandbox,
    SandboxState,
)
from runtime.oci import options
from runtime.oci.options import ConfigError
from runtime.oci.spec import Spec, compose
from runtime.service.codec import decode, encode
from runtime.service.connection import SpawnerRefused
from runtime.service.sandboxes import group_of

if TYPE_CHECKING:
    from runtime.service.native import NativeRuntime

CREATE_FAILED = "CreateContainerError"
RUN_FAILED = "RunContainerError"


async def create(runtime: NativeRuntime, sandbox_id: str, config: ContainerConfig) -> str:
    sandbox = runtime.mirror.sandbox(sandbox_id)
    if sandbox.state is not SandboxState.READY:
        raise RuntimeFailure(CREATE_FAILED, f"sandbox {sandbox_id} is not running")
    config = decode(ContainerConfig, encode(config))  # one form, also after a restart
    image = await runtime.images.image_status(config.image)
    if image is None:
        raise RuntimeFailure(CREATE_FAILED, f"image {config.image!r} is not present")
    image_config = await runtime.rootfs.image_config(image.id)
    container_id = f"{runtime.rng.getrandbits(256):064x}"
    _check_sources(config)
    rootfs = await runtime.rootfs.prepare(container_id, image.id)
    try:
        spec = plan_spec(runtime, container_id, sandbox, config, image_config, rootfs)
        wire = spec.to_wire() | _identity(config, image)
        if warnings := plan_warnings(runtime.layout, config.resources):
            wire["warnings"] = list(warnings)
        answer, _ = await runtime.connection.ask("create_container", {"spec": wire})
    except RuntimeFailure as refused:
        await runtime.rootfs.remove(container_id)
        reason = refused.reason if isinstance(refused, ConfigError) else CREATE_FAILED
        raise RuntimeFailure(reason, str(refused)) from refused
    except asyncio.CancelledError:
        await asyncio.shield(runtime.rootfs.remove(container_id))
        raise
    runtime.mirror.put_container(wire, answer["container"])
    return container_id


def plan_spec(
    runtime: NativeRuntime,
    container_id: str,
    sandbox: Sandbox,
    config: ContainerConfig,
    image: ImageConfig,
    rootfs: Rootfs,
) -> Spec:
    """Everything about the container in one value. Raises RuntimeFailure for what cannot be."""
    security, pod = config.security, sandbox.config
    log_path = os.path.join(pod.log_directory, config.log_path) if config.log_path else ""
    layout = runtime.layout
    return compose(
        options.with_identity(container_id, sandbox.id, log_path),
        options.with_rootfs(rootfs, readonly=security.readonly_rootfs),
        options.with_command(config, image),
        options.with_environment(config, image, pod.hostname),
        options.with_user(security, image),
        options.with_security(security, runtime.seccomp.program(security)),
        options.with_limits(config),
        options.with_cgroup(
            f"{group_of(sandbox.id, pod)}/{container_id}",
            needed_controllers(layout, config.resources),
            plan_writes(layout, config.resources),
            v2=bool(layout.v2) and not layout.v1,
        ),
        options.with_namespaces(pod),
        options.with_mounts(
            config, f"{runtime.directory}/pods/{sandbox.id}", host_ipc=pod.namespaces.host_ipc
        ),
        options.with_devices(config, host_devices() if security.privileged else ()),
        options.with_streams(config, image),
    )


async def start(runtime: NativeRuntime, container_id: str) -> None:
    runtime.mirror.container(container_id)
    try:
        await runtime.connection.ask("start_container", {"id": container_id})
    except SpawnerRefused as refused:
        text = str(refused)
        if refused.answer.get("container"):
            text = f"failed to start container: {text}"
        raise RuntimeFailure(RUN_FAILED, text) from refused


async def stop(runtime: NativeRuntime, container_id: str, timeout_s: float) -> None:
    container = runtime.mirror.containers.get(container_id)
    if container is None or container.state is not ContainerState.RUNNING:
        return
    if timeout_s > 0:
        await _signal(runtime, container_id, await _stop_signal(runtime, container_id))
        try:
            async with asyncio.timeout(timeout_s):
                await runtime.mirror.exited(container_id)
            return
        except TimeoutError:
            pass
    await _signal(runtime, container_id, int(signal.SIGKILL))
    await runtime.mirror.exited(container_id)


async def remove(runtime: NativeRuntime, container_id: str) -> None:
    if container_id not in runtime.mirror.containers:
        return
    if runtime.mirror.containers[container_id].state is ContainerState.EXITED:  # nothing uses its files
        asking = runtime.connection.ask("remove_container", {"id": container_id})
        await asyncio.gather(asking, runtime.rootfs.remove(container_id))
    else:
        await runtime.connection.ask("remove_container", {"id": container_id})
        await runtime.rootfs.remove(container_id)
    runtime.mirror.forget_container(container_id)


async def update(runtime: NativeRuntime, container_id: str, resources: LinuxResources) -> None:
    config = replace(runtime.mirror.container(container_id).config, resources=resources)
    writes = plan_writes(runtime.layout, resources)
    try:
        await runtime.connection.ask(
            "update_container",
            {"id": container_id, "writes": [list(w) for w in writes], "config": encode(config)},
        )
    except SpawnerRefused as refused:
        raise RuntimeFailure("UpdateResourcesError", str(refused)) from refused
    runtime.mirror.set_container_config(container_id, config)


def host_devices() -> list[str]:
    """Every device file of the host but terminals and those a container has of its own."""
    found = []
    for directory, folders, names in os.walk("/dev"):
        folders[:] = sorted(f for f in folders if f not in ("pts", "shm", "mqueue", "fd"))
        for name in sorted(names):
            path = f"{directory}/{name}"
            mode = os.lstat(path).st_mode
            special = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
            if special and name not in (
                "console",
                "ptmx",
                "null",
                "zero",
                "full",
                "random",
                "urandom",
                "tty",
            ):
                found.append(path)
    return found


def _check_sources(config: ContainerConfig) -> None:
    for mount in config.mounts:
        if not os.path.exists(mount.host_path):
            raise RuntimeFailure(
                CREATE_FAILED,
                f'failed to generate container spec: failed to stat "{mount.host_path}":'
                f" stat {mount.host_path}: no such file or directory",
            )


async def _signal(runtime: NativeRuntime, container_id: str, number: int) -> None:
    await runtime.connection.ask("signal", {"id": container_id, "signal": number})


async def _stop_signal(runtime: NativeRuntime, container_id: str) -> int:
    container = runtime.mirror.container(container_id)
    name = container.config.stop_signal
    if not name:
        name = (await runtime.rootfs.image_config(container.image_id)).stop_signal
    return options.parse_signal(name)


def _identity(config: ContainerConfig, image: Image) -> dict[str, Any]:
    return {
        "config": encode(config),
        "image_id": image.id,
        "image_ref": image.repo_digests[0] if image.repo_digests else image.id,
    }
