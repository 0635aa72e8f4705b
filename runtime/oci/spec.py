"""The frozen value that says everything about a container before it is made, and how it is composed.

    spec = compose(with_identity(...), with_image(...), with_command(...), with_mounts(...), ...)

An option is a function Spec → Spec; later ones win. `to_wire` gives the plain dict that the spawner takes
(runtime/spawner). Pure: no file is read here but what the caller has read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.oci.hidden_paths import MASKED_PATHS, READONLY_PATHS


@dataclass(frozen=True, slots=True)
class BindMount:
    source: str
    target: str
    readonly: bool = False
    recursive: bool = False  # read-only with everything mounted below it
    propagation: str = "PRIVATE"

    def to_wire(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "target": self.target,
            "readonly": self.readonly,
            "recursive": self.recursive,
            "propagation": self.propagation,
        }


@dataclass(frozen=True, slots=True)
class User:
    """Resolved against the container's own passwd file when it starts. `name` may be user:group."""

    uid: int | None = None
    gid: int | None = None
    name: str = ""
    groups: Sequence[int] = ()
    policy: str = "Merge"

    def to_wire(self) -> dict[str, Any]:
        return {
            "uid": self.uid,
            "gid": self.gid,
            "name": self.name,
            "groups": list(self.groups),
            "policy": self.policy,
        }


@dataclass(frozen=True, slots=True)
class Process:
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    user: User = User()
    capabilities: int = 0
    no_new_privs: bool = True
    seccomp: str = ""  # a BPF program in base64; "" is unconfined
    rlimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    oom_score_adj: int = 0
    tty: bool = False

    def to_wire(self) -> dict[str, Any]:
        return {
            "args": list(self.args),
            "env": [f"{key}={value}" for key, value in self.env.items()],
            "cwd": self.cwd,
            "user": self.user.to_wire(),
            "caps": self.capabilities,
            "no_new_privs": self.no_new_privs,
            "seccomp": self.seccomp,
            "rlimits": {name: list(limits) for name, limits in self.rlimits.items()},
            "oom_score_adj": self.oom_score_adj,
            "tty": self.tty,
        }


@dataclass(frozen=True, slots=True)
class Spec:
    id: str = ""
    sandbox: str = ""
    group: str = ""
    controllers: Sequence[str] = ()
    cgroup_v2: bool = False
    writes: Sequence[Sequence[str]] = ()
    lower: Sequence[str] = ()
    upper: str = ""
    work: str = ""
    readonly_rootfs: bool = False
    mounts: Sequence[BindMount] = ()
    devices: Sequence[tuple[str, str]] = ()  # (host path, container path)
    masked: Sequence[str] = MASKED_PATHS
    readonly: Sequence[str] = READONLY_PATHS
    pid: str = "CONTAINER"
    privileged: bool = False
    stdin: bool = False
    stdin_once: bool = False
    stop_signal: int = 15
    log_path: str = ""
    process: Process = Process()

    def to_wire(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "sandbox": self.sandbox,
            "group": self.group,
            "controllers": list(self.controllers),
            "cgroup_v2": self.cgroup_v2,
            "writes": [list(write) for write in self.writes],
            "rootfs": {"lower": list(self.lower), "upper": self.upper, "work": self.work},
            "readonly_rootfs": self.readonly_rootfs,
            "mounts": [mount.to_wire() for mount in self.mounts],
            "devices": [{"host": host, "path": path} for host, path in self.devices],
            "masked": list(self.masked),
            "readonly": list(self.readonly),
            "pid": self.pid,
            "privileged": self.privileged,
            "stdin": self.stdin,
            "stdin_once": self.stdin_once,
            "stop_signal": self.stop_signal,
            "log_path": self.log_path,
            "process": self.process.to_wire(),
        }


Option = Callable[[Spec], Spec]


def compose(*options: Option) -> Spec:
    spec = Spec()
    for option in options:
        spec = option(spec)
    return spec


def with_process(**changes: Any) -> Option:
    """Changes single fields of the process."""
    return lambda spec: replace(spec, process=replace(spec.process, **changes))
