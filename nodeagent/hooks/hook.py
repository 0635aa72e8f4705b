"""What a kind of volume is to the agent: how it is set up for a pod, and how it is taken down.

`set_up` is idempotent and also refreshes: called again after a change of what it shows, it brings the files
up to date. `tear_down` works without `set_up`, twice, and after a restart of the agent: it is given the
directory only. Content comes through `VolumeContext.sources`, fetched before by the names that `needs` tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from machinery.clock import Clock
from nodeagent import podspec
from nodeagent.config import AgentConfig
from nodeagent.env import Sources
from nodeagent.files import HostFiles
from nodeagent.podspec import Obj


class VolumeError(Exception):
    """The volume cannot be set up now; str() is the cause, in upstream's words where there are any.
    Tried again when what it needs changes, and after a back-off."""


class ObjectRef(NamedTuple):
    """A ConfigMap or Secret that a pod refers to, in the pod's namespace."""

    kind: str  # configmap or secret
    name: str


class TokenRef(NamedTuple):
    audience: str  # "" : the API server's own
    expiration_s: int


@dataclass(frozen=True, slots=True)
class VolumeContext:
    pod: Obj
    config: AgentConfig
    files: HostFiles
    clock: Clock
    sources: Sources
    tokens: Mapping[TokenRef, str] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        return podspec.uid_of(self.pod)

    @property
    def fs_group(self) -> int | None:
        group = (podspec.spec_of(self.pod).get("securityContext") or {}).get("fsGroup")
        return None if group is None else int(group)

    def directory(self, plugin: str, volume: str, *, in_memory: bool = False) -> str:
        """Where the volume's files stand. Secrets stand on the node's one tmpfs, never on its disk."""
        return volume_directory(self.config, self.uid, plugin, volume, in_memory=in_memory)


class VolumeHook(Protocol):
    source: str  # the field of the volume's source, e.g. configMap
    plugin: str  # the directory name, e.g. configmap
    in_memory: bool

    def needs(self, volume: Obj) -> Iterable[ObjectRef | TokenRef]: ...

    async def set_up(self, context: VolumeContext, volume: Obj) -> str:
        """Returns the path on the node to be mounted. Raises VolumeError."""
        ...

    async def tear_down(self, files: HostFiles, directory: str) -> None: ...


def volume_directory(
    config: AgentConfig, uid: str, plugin: str, volume: str, *, in_memory: bool = False
) -> str:
    root = config.pod_memory_dir(uid) if in_memory else config.pod_dir(uid)
    return str(root / "volumes" / f"kubernetes.io~{plugin}" / volume)


def source_of(volume: Obj) -> tuple[str, dict[str, Any]]:
    """(source field, its value): a volume has exactly one beside its name; none means emptyDir."""
    for key, value in volume.items():
        if key != "name" and value is not None:
            return key, value
    return "emptyDir", {}
