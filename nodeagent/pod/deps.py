"""What every pod worker works with: one value, built once per agent."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from client.client import Client
from client.logs import Logger
from machinery.clock import Clock
from nodeagent import podspec
from nodeagent.config import AgentConfig
from nodeagent.env import Sources
from nodeagent.files import HostFiles
from nodeagent.hooks.hook import ObjectRef
from nodeagent.network import Network
from nodeagent.pod.events import PodEvents
from nodeagent.pod.images import ImagePuller
from nodeagent.pod.references import References
from nodeagent.pod.tokens import Tokens
from nodeagent.podspec import Obj
from runtime.cri import DnsConfig, RuntimeService


@dataclass(slots=True)
class NodeFacts:
    """What pods may see of their node. Filled by the node part before the first pod starts."""

    allocatable: Mapping[str, Any] = field(default_factory=dict)
    memory_bytes: int = 1 << 30
    host_ips: tuple[str, ...] = ()
    host_dns: Callable[[], DnsConfig] = (
        DnsConfig  # asked for every pod: the machine may have come to another network
    )
    host_hosts_file: str = ""
    runtime_name: str = "kctl"


@dataclass(frozen=True, slots=True)
class Deps:
    config: AgentConfig
    clock: Clock
    rng: random.Random
    client: Client
    runtime: RuntimeService
    images: ImagePuller
    network: Network
    files: HostFiles
    log_files: HostFiles  # where container logs stand; the runtime writes them itself
    references: References
    tokens: Tokens
    events: PodEvents
    node: NodeFacts
    services: Callable[[], Iterable[Obj]]
    log: Logger

    def sources(self, pod: Obj, pod_ips: tuple[str, ...]) -> Sources:
        namespace = podspec.namespace_of(pod)
        return Sources(
            config_map=lambda name: self.references.get(namespace, ObjectRef("configmap", name)),
            secret=lambda name: self.references.get(namespace, ObjectRef("secret", name)),
            services=self.services(),
            allocatable=self.node.allocatable,
            pod_ips=pod_ips,
            host_ips=self.node.host_ips,
        )
