"""The seam between a node agent and a container runtime: the CRI's verbs as Protocols.

Shapes follow the Container Runtime Interface (runtime.v1), in Python's spelling. Implementations:
`runtime/service/` (our own, over namespaces and cgroups) and `runtime/fake.py` (no kernel, for the
simulator and `--fake-runtime`). Both pass tests/contract/runtime/.

Every verb is idempotent where the CRI asks for it: stopping what is stopped, removing what is gone,
succeed. Ids are opaque strings. Times are epoch nanoseconds, 0 for "not yet".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Protocol


class RuntimeFailure(Exception):
    """The runtime could not do it. `reason` is a CamelCase word for conditions and events
    (CreateContainerError, RunContainerError, ErrImagePull, ...); str() is the cause in plain words."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


HANDLERS = ("", "kctl")  # ways to run a pod that a RuntimeClass may name here


def require_handler(name: str) -> None:
    """Raises RuntimeFailure for a way to run pods that is not one of HANDLERS."""
    if name not in HANDLERS:
        text = f'failed to get sandbox runtime: no runtime for "{name}" is configured'
        raise RuntimeFailure("FailedCreatePodSandBox", text)


class NotFoundInRuntime(RuntimeFailure):
    def __init__(self, what: str) -> None:
        super().__init__("NotFound", f"{what} does not exist")


class ImageFailure(RuntimeFailure):
    """reason is ErrImagePull, InvalidImageName, ErrImageNeverPull, RegistryUnavailable, ImageNotFound..."""


# -- sandboxes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PortMapping:
    protocol: Literal["TCP", "UDP", "SCTP"]
    container_port: int
    host_port: int
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class DnsConfig:
    servers: Sequence[str] = ()
    searches: Sequence[str] = ()
    options: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Which of the pod's namespaces are the node's own. pid: CONTAINER each its own, POD shared, NODE the host's."""

    host_network: bool = False
    host_ipc: bool = False
    pid: Literal["CONTAINER", "POD", "NODE"] = "CONTAINER"


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    name: str
    namespace: str
    uid: str
    attempt: int
    hostname: str
    log_directory: str  # of the pod; containers log below it
    dns: DnsConfig = DnsConfig()
    port_mappings: Sequence[PortMapping] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    namespaces: Namespaces = Namespaces()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    cgroup_parent: str = ""  # e.g. /kctl/NODE/burstable/podUID
    resources: LinuxResources | None = None  # of the pod's cgroup as a whole
    runtime_handler: str = ""  # of the pod's RuntimeClass


class SandboxState(Enum):
    READY = "SANDBOX_READY"
    NOTREADY = "SANDBOX_NOTREADY"


@dataclass(frozen=True, slots=True)
class Sandbox:
    id: str
    config: SandboxConfig
    state: SandboxState
    created_at_ns: int
    ips: Sequence[str] = ()  # empty with host_network
    netns_path: str = ""


# -- containers --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinuxResources:
    """Limits of a cgroup. 0 or "" means not set (cpu_quota -1: unlimited)."""

    cpu_period_us: int = 0
    cpu_quota_us: int = 0
    cpu_shares: int = 0
    memory_limit_bytes: int = 0
    pids_limit: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    oom_score_adj: int = 0
    hugepage_limits: Mapping[str, int] = field(default_factory=dict)
    unified: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mount:
    container_path: str
    host_path: str
    readonly: bool = False
    recursive_read_only: bool = False
    propagation: Literal["PRIVATE", "HOST_TO_CONTAINER", "BIDIRECTIONAL"] = "PRIVATE"


@dataclass(frozen=True, slots=True)
class Device:
    container_path: str
    host_path: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class SeccompProfile:
    type: Literal["RuntimeDefault", "Unconfined", "Localhost"] = "RuntimeDefault"
    localhost_path: str = ""


@dataclass(frozen=True, slots=True)
class SecurityContext:
    privileged: bool = False
    run_as_user: int | None = None  # None: the image's USER
    run_as_group: int | None = None
    run_as_username: str = ""
    supplemental_groups: Sequence[int] = ()
    supplemental_groups_policy: Literal["Merge", "Strict"] = "Merge"
    readonly_rootfs: bool = False
    no_new_privs: bool = True
    add_capabilities: Sequence[str] = ()  # without CAP_; "ALL" allowed
    drop_capabilities: Sequence[str] = ()
    seccomp: SeccompProfile = SeccompProfile()
    masked_paths: Sequence[str] | None = None  # None: the runtime's default list
    readonly_paths: Sequence[str] | None = None
    rlimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # RLIMIT_NOFILE → (soft, hard)


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    name: str
    attempt: int
    image: str  # a reference or id that ImageService knows
    command: Sequence[str] = ()  # overrides the image's entrypoint
    args: Sequence[str] = ()  # overrides the image's cmd
    working_dir: str = ""
    env: Sequence[tuple[str, str]] = ()
    mounts: Sequence[Mount] = ()
    devices: Sequence[Device] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    log_path: str = ""  # relative to the sandbox's log_directory
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    resources: LinuxResources = LinuxResources()
    security: SecurityContext = SecurityContext()
    stop_signal: str = ""  # "" : the image's, else SIGTERM


class ContainerState(Enum):
    CREATED = "CONTAINER_CREATED"
    RUNNING = "CONTAINER_RUNNING"
    EXITED = "CONTAINER_EXITED"
    UNKNOWN = "CONTAINER_UNKNOWN"


@dataclass(frozen=True, slots=True)
class Container:
    """A container's status. reason is Completed, Error, OOMKilled, StartError (exit 128) or ""."""

    id: str
    sandbox_id: str
    config: ContainerConfig
    state: ContainerState
    image_id: str
    image_ref: str
    created_at_ns: int
    started_at_ns: int = 0
    finished_at_ns: int = 0
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    pid: int = 0
    log_path: str = ""  # absolute
    warnings: Sequence[str] = ()  # what it asked for and this host did not give, in words for people


@dataclass(frozen=True, slots=True)
class ContainerStats:
    id: str
    timestamp_ns: int
    cpu_usage_ns: int  # cumulative
    memory_working_set_bytes: int
    memory_usage_bytes: int
    memory_rss_bytes: int
    pids: int
    writable_layer_bytes: int = 0


class EventType(Enum):
    CREATED = "CONTAINER_CREATED_EVENT"
    STARTED = "CONTAINER_STARTED_EVENT"
    STOPPED = "CONTAINER_STOPPED_EVENT"
    DELETED = "CONTAINER_DELETED_EVENT"


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """Something changed; the reader looks the rest up. The sandbox itself is reported with its own id."""

    type: EventType
    container_id: str
    sandbox_id: str
    pod_uid: str
    created_at_ns: int


@dataclass(frozen=True, slots=True)
class ExecResult:
    exit_code: int
    stdout: bytes
    stderr: bytes


class ExecStream(Protocol):
    """A running exec or attach session. Bytes of stdout and stderr come as (channel, data), channel 1 or 2;
    the iterator ends when both are closed. With a tty everything is channel 1."""

    def output(self) -> AsyncIterator[tuple[int, bytes]]: ...

    async def write_stdin(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...

    async def resize(self, width: int, height: int) -> None: ...

    async def wait(self) -> int:
        """The exit code (128 + signal for a signal). For attach: when the container ends, or 0 for who is let go when their input
        ends: all but the first of a container whose input ends with theirs (stdin_once, without a terminal)."""
        ...


@dataclass(frozen=True, slots=True)
class RuntimeCondition:
    type: Literal["RuntimeReady", "NetworkReady"]
    status: bool
    reason: str = ""
    message: str = ""


class RuntimeService(Protocol):
    async def start(self) -> None:
        """Connects to (or starts) what outlives the agent, and finds again the sandboxes and containers it holds."""
        ...

    async def close(self) -> None:
        """Lets go without stopping any container."""
        ...

    async def version(self) -> tuple[str, str]:
        """(runtime name, runtime version)."""
        ...

    async def status(self) -> Sequence[RuntimeCondition]: ...

    async def update_pod_cidr(self, cidr: str) -> None: ...

    async def run_pod_sandbox(self, config: SandboxConfig) -> Sandbox: ...

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Kills what still runs in it and frees its network."""
        ...

    async def remove_pod_sandbox(self, sandbox_id: str) -> None: ...

    async def pod_sandbox_status(self, sandbox_id: str) -> Sandbox:
        """Raises NotFoundInRuntime."""
        ...

    async def list_pod_sandboxes(self) -> Sequence[Sandbox]: ...

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        """Returns the id. Raises RuntimeFailure (CreateContainerError, CreateContainerConfigError)."""
        ...

    async def start_container(self, container_id: str) -> None:
        """Returns when the program has been executed. Raises RuntimeFailure RunContainerError with the cause
        (no such file, permission denied); the container is then EXITED with code 128 and reason StartError."""
        ...

    async def stop_container(self, container_id: str, timeout_s: float) -> None:
        """Stop signal, then SIGKILL after timeout_s; returns when it has exited."""
        ...

    async def remove_container(self, container_id: str) -> None:
        """Kills it first where it runs."""
        ...

    async def container_status(self, container_id: str) -> Container: ...

    async def list_containers(self, sandbox_id: str = "") -> Sequence[Container]: ...

    async def update_container_resources(self, container_id: str, resources: LinuxResources) -> None: ...

    async def update_sandbox_resources(self, sandbox_id: str, resources: LinuxResources) -> None: ...

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout_s: float = 0) -> ExecResult:
        """Raises TimeoutError after timeout_s (0: none), having killed it; RuntimeFailure where it cannot start."""
        ...

    def exec(
        self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> AbstractAsyncContextManager[ExecStream]: ...

    def attach(
        self, container_id: str, *, stdin: bool, tty: bool
    ) -> AbstractAsyncContextManager[ExecStream]: ...

    async def port_forward(self, sandbox_id: str, port: int) -> Connection:
        """A TCP connection to localhost:port inside the sandbox's network."""
        ...

    async def reopen_container_log(self, container_id: str) -> None: ...

    async def container_stats(self, container_id: str) -> ContainerStats: ...

    async def list_container_stats(self) -> Sequence[ContainerStats]: ...

    def events(self) -> AsyncIterator[ContainerEvent]:
        """Every event from now on. One reader. A reader that wants all lists first, after subscribing."""
        ...


class Connection(Protocol):
    async def read(self, limit: int = 65536) -> bytes:
        """b"" at the end."""
        ...

    async def write(self, data: bytes) -> None: ...

    async def end(self) -> None:
        """Nothing more will be written; the other side is told, and may still answer."""
        ...

    async def close(self) -> None: ...


# -- images ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Auth:
    username: str = ""
    password: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    id: str  # sha256:... of the config
    repo_tags: Sequence[str]
    repo_digests: Sequence[str]
    size_bytes: int
    user: str = ""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says about running it (OCI image config)."""

    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    env: Sequence[str] = ()
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    volumes: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FilesystemUsage:
    path: str
    used_bytes: int
    capacity_bytes: int
    available_bytes: int
    inodes_free: int
    inodes: int


class ImageService(Protocol):
    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def list_images(self) -> Sequence[Image]: ...

    async def image_status(self, reference: str) -> Image | None:
        """By tag (short names are normalised: busybox → docker.io/library/busybox:latest), digest or id."""
        ...

    async def pull_image(self, reference: str, auth: Auth | None = None) -> str:
        """Returns the image id. Concurrent pulls of one reference are one pull. Raises ImageFailure."""
        ...

    async def remove_image(self, reference: str) -> None: ...

    async def image_fs_info(self) -> FilesystemUsage: ...


class RootfsProvider(Protocol):
    """What the runtime itself asks of the image side: a container's root file system."""

    async def image_config(self, image_id: str) -> ImageConfig: ...

    async def prepare(self, container_id: str, image_id: str) -> Rootfs:
        """Makes the writable layer; idempotent. Raises ImageFailure or RuntimeFailure (full disk)."""
        ...

    async def remove(self, container_id: str) -> None:
        """Removes the writable layer; succeeds when it is gone."""
        ...

    async def usage_bytes(self, container_id: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Rootfs:
    """An overlay to be mounted by the container's own process inside its mount namespace.

    lower: read-only directories, the topmost first. All on one real file system (not overlay).
    """

    lower: Sequence[str]
    upper: str
    work: str
