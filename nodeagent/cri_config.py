"""Pod → what the runtime is told: sandbox and container configurations. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import orjson

from nodeagent import labels, podspec
from nodeagent.config import AgentConfig
from nodeagent.cri_resources import cgroup_parent, container_resources, pod_resources
from nodeagent.cri_security import ConfigError, security_context
from nodeagent.dns import kernel_hostname
from nodeagent.expansion import expand
from nodeagent.podspec import Obj, Role
from runtime.cri import (
    ContainerConfig,
    Device,
    DnsConfig,
    Mount,
    Namespaces,
    PortMapping,
    SandboxConfig,
)

DEFAULT_TERMINATION_PATH = "/dev/termination-log"


def sandbox_config(
    pod: Obj, attempt: int, dns: DnsConfig, config: AgentConfig, runtime_handler: str = ""
) -> SandboxConfig:
    meta, spec = pod["metadata"], podspec.spec_of(pod)
    namespace, name, uid = podspec.namespace_of(pod), podspec.name_of(pod), podspec.uid_of(pod)
    host_network = podspec.uses_host_network(pod)
    return SandboxConfig(
        name=name,
        namespace=namespace,
        uid=uid,
        attempt=attempt,
        hostname=kernel_hostname(pod, config),
        log_directory=str(config.pod_log_dir(namespace, name, uid)),
        dns=dns,
        port_mappings=() if host_network else tuple(port_mappings(pod)),
        labels={
            **(meta.get("labels") or {}),
            labels.POD_NAME: name,
            labels.POD_NAMESPACE: namespace,
            labels.POD_UID: uid,
        },
        annotations=dict(meta.get("annotations") or {}),
        namespaces=_namespaces(spec),
        sysctls={s["name"]: s["value"] for s in (spec.get("securityContext") or {}).get("sysctls") or ()},
        cgroup_parent=cgroup_parent(pod, config),
        resources=pod_resources(pod, config),
        runtime_handler=runtime_handler,
    )


def port_mappings(pod: Obj) -> list[PortMapping]:
    """The ports that shall be reachable on the node's own address."""
    return [
        PortMapping(
            port.get("protocol") or "TCP",
            int(port["containerPort"]),
            int(port["hostPort"]),
            port.get("hostIP") or "",
        )
        for role, container in podspec.all_containers(pod)
        for port in container.get("ports") or ()
        if port.get("hostPort") and role != "ephemeral"
    ]


def container_config(
    pod: Obj,
    role: Role,
    container: Obj,
    *,
    attempt: int,
    image_id: str,
    image_user: str,
    env: Mapping[str, str],
    mounts: Sequence[Mount],
    devices: Sequence[Device] = (),
    termination_host_path: str = "",
    config: AgentConfig,
    node_memory_bytes: int,
) -> ContainerConfig:
    """Raises ConfigError where the container may not run as it is described."""
    name = container["name"]
    return ContainerConfig(
        name=name,
        attempt=attempt,
        image=image_id or container.get("image", ""),
        command=tuple(expand(word, env) for word in container.get("command") or ()),
        args=tuple(expand(word, env) for word in container.get("args") or ()),
        working_dir=container.get("workingDir") or "",
        env=tuple(env.items()),
        mounts=tuple(mounts),
        devices=tuple(devices),
        labels={
            labels.POD_NAME: podspec.name_of(pod),
            labels.POD_NAMESPACE: podspec.namespace_of(pod),
            labels.POD_UID: podspec.uid_of(pod),
            labels.CONTAINER_NAME: name,
            labels.CONTAINER_TYPE: role,
        },
        annotations=_annotations(pod, container, termination_host_path),
        log_path=f"{name}/{attempt}.log",
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        tty=bool(container.get("tty")),
        resources=container_resources(pod, container, config, node_memory_bytes),
        security=security_context(
            pod, container, image_user=image_user, seccomp_default=config.seccomp_default
        ),
        stop_signal=(container.get("lifecycle") or {}).get("stopSignal") or "",
    )


def _annotations(pod: Obj, container: Obj, termination_host_path: str) -> dict[str, str]:
    found = {
        labels.CONTAINER_HASH: podspec.container_hash(container),
        labels.TERMINATION_MESSAGE_PATH: termination_path(container),
        labels.TERMINATION_MESSAGE_POLICY: container.get("terminationMessagePolicy") or "File",
        labels.POD_GRACE: str(podspec.grace_period_s(pod)),
    }
    if termination_host_path:
        found[labels.TERMINATION_MESSAGE_HOST_PATH] = termination_host_path
    pre_stop = (container.get("lifecycle") or {}).get("preStop")
    if pre_stop:
        found[labels.PRE_STOP] = orjson.dumps(pre_stop).decode()
    return found


def termination_path(container: Obj) -> str:
    return container.get("terminationMessagePath") or DEFAULT_TERMINATION_PATH


def _namespaces(spec: Obj) -> Namespaces:
    pid: Literal["CONTAINER", "POD", "NODE"] = (
        "NODE" if spec.get("hostPID") else "POD" if spec.get("shareProcessNamespace") else "CONTAINER"
    )
    return Namespaces(
        host_network=bool(spec.get("hostNetwork")),
        host_ipc=bool(spec.get("hostIPC")),
        pid=pid,
    )


__all__ = ["ConfigError", "container_config", "port_mappings", "sandbox_config", "termination_path"]
