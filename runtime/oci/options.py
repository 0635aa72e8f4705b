"""The options that make a Spec from what the CRI and the image say. One concern each, all pure.

Kubernetes' rule for command and args: `command` replaces the entrypoint and drops the image's cmd,
`args` alone replaces the cmd. Mounts of the pod win over the files that every container gets.
"""

from __future__ import annotations

import posixpath
import signal
from collections.abc import Sequence
from dataclasses import replace

from runtime.cri import (
    ContainerConfig,
    ImageConfig,
    Rootfs,
    RuntimeFailure,
    SandboxConfig,
    SecurityContext,
)
from runtime.linux.capabilities import UnknownCapability, plan_capabilities
from runtime.oci.spec import BindMount, Option, Spec, User, with_process

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ConfigError(RuntimeFailure):
    """What was asked for can never run as it is written."""

    def __init__(self, message: str) -> None:
        super().__init__("CreateContainerConfigError", message)


def with_identity(container_id: str, sandbox_id: str, log_path: str) -> Option:
    return lambda spec: replace(spec, id=container_id, sandbox=sandbox_id, log_path=log_path)


def with_rootfs(rootfs: Rootfs, *, readonly: bool) -> Option:
    return lambda spec: replace(
        spec, lower=tuple(rootfs.lower), upper=rootfs.upper, work=rootfs.work, readonly_rootfs=readonly
    )


def with_command(config: ContainerConfig, image: ImageConfig) -> Option:
    """Raises ConfigError where neither the pod nor the image says what to run."""
    args = (*config.command, *config.args) if config.command else ()
    if not config.command:
        args = (*image.entrypoint, *(config.args or image.cmd))
    if not args:
        raise RuntimeFailure("CreateContainerError", "no command specified")
    return with_process(args=args, cwd=config.working_dir or image.working_dir or "/", tty=config.tty)


def with_environment(config: ContainerConfig, image: ImageConfig, hostname: str) -> Option:
    """Image's first, then the pod's; PATH and HOSTNAME where nobody set them. HOME is set at the start."""
    env: dict[str, str] = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if config.tty:
        env["TERM"] = "xterm"
    for entry in image.env:
        key, _, value = entry.partition("=")
        env[key] = value
    env.update(config.env)
    return with_process(env=env)


def with_user(security: SecurityContext, image: ImageConfig) -> Option:
    """runAsUser, else the image's USER. A group is only taken with a user, as the CRI demands."""
    name = security.run_as_username
    if security.run_as_user is None and not name:
        name = image.user
    user = User(
        uid=security.run_as_user,
        gid=security.run_as_group,
        name=name,
        groups=tuple(security.supplemental_groups),
        policy=security.supplemental_groups_policy,
    )
    return with_process(user=user)


def with_security(security: SecurityContext, seccomp: str) -> Option:
    """Capabilities, no_new_privs, seccomp, masked and read-only paths. Raises ConfigError."""
    try:
        caps = plan_capabilities(
            security.add_capabilities, security.drop_capabilities, privileged=security.privileged
        )
    except UnknownCapability as unknown:
        raise ConfigError(str(unknown)) from unknown
    process = with_process(
        capabilities=caps,
        no_new_privs=security.no_new_privs and not security.privileged,
        seccomp=seccomp,
    )

    def apply(spec: Spec) -> Spec:
        masked = spec.masked if security.masked_paths is None else tuple(security.masked_paths)
        readonly = spec.readonly if security.readonly_paths is None else tuple(security.readonly_paths)
        if security.privileged:
            masked, readonly = (), ()
        changed = replace(spec, masked=masked, readonly=readonly, privileged=security.privileged)
        return process(changed)

    return apply


def with_limits(config: ContainerConfig) -> Option:
    """Resource limits of the process itself. Raises ConfigError for a name that is none."""
    import resource

    for name in config.security.rlimits:
        if not name.startswith("RLIMIT_") or not hasattr(resource, name):
            raise ConfigError(f'unknown resource limit "{name}"')
    return with_process(rlimits=dict(config.security.rlimits), oom_score_adj=config.resources.oom_score_adj)


def with_cgroup(
    group: str, controllers: Sequence[str], writes: Sequence[Sequence[str]], *, v2: bool
) -> Option:
    return lambda spec: replace(
        spec, group=group, controllers=tuple(controllers), writes=tuple(writes), cgroup_v2=v2
    )


def with_namespaces(sandbox: SandboxConfig) -> Option:
    return lambda spec: replace(spec, pid=sandbox.namespaces.pid)


def with_mounts(config: ContainerConfig, pod_directory: str, *, host_ipc: bool) -> Option:
    """The pod's mounts by depth (a parent before what is mounted in it), and the files every container has."""
    asked = [
        BindMount(
            m.host_path,
            _clean(m.container_path),
            m.readonly,
            m.recursive_read_only,
            m.propagation,
        )
        for m in config.mounts
    ]
    taken = {mount.target for mount in asked}
    own = [
        BindMount(f"{pod_directory}/{name}", target, config.security.readonly_rootfs)
        for name, target in (
            ("resolv.conf", "/etc/resolv.conf"),
            ("hostname", "/etc/hostname"),
            ("hosts", "/etc/hosts"),
        )
    ]
    own.append(BindMount("/dev/shm" if host_ipc else f"{pod_directory}/shm", "/dev/shm"))
    mounts = [mount for mount in own if mount.target not in taken] + asked
    mounts.sort(key=lambda mount: mount.target.count("/") if mount.target != "/" else 0)
    return lambda spec: replace(spec, mounts=tuple(mounts))


def with_devices(config: ContainerConfig, host_devices: Sequence[str]) -> Option:
    """Those asked for; all of the host's for a privileged container."""
    devices = [(device.host_path, device.container_path) for device in config.devices]
    if config.security.privileged:
        devices += [(path, path) for path in host_devices]
    return lambda spec: replace(spec, devices=tuple(devices))


def with_streams(config: ContainerConfig, image: ImageConfig) -> Option:
    return lambda spec: replace(
        spec,
        stdin=config.stdin,
        stdin_once=config.stdin_once,
        stop_signal=parse_signal(config.stop_signal or image.stop_signal),
    )


def parse_signal(name: str) -> int:
    """`SIGTERM`, `TERM`, `15`, `RTMIN+3`; "" is SIGTERM. Raises ConfigError."""
    if not name:
        return int(signal.SIGTERM)
    if name.isdigit() and 0 < int(name) < signal.NSIG:
        return int(name)
    plain = name.upper().removeprefix("SIG")
    base, sign, offset = plain.partition("+") if "+" in plain else plain.partition("-")
    try:
        number = int(signal.Signals[f"SIG{base}"])
        return number + (int(offset) if sign == "+" else -int(offset)) if sign else number
    except (KeyError, ValueError):
        raise ConfigError(f'unknown stop signal "{name}"') from None


def _clean(path: str) -> str:
    return posixpath.normpath(path if path.startswith("/") else f"/{path}")
