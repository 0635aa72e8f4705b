"""What a cluster is, as far as it must be remembered between `kctl up`s: names, nodes, ports, networks.

The objects live in the API server's store; this file only says how to bring that server and its
nodes up again. It is written whole and atomically; one that cannot be read is named, not guessed.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2s
from pathlib import Path

from standalone.files import write_atomic
from standalone.layout import Layout

DEFAULT_API_PORT = 6443
KUBELET_PORT = 10250
SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
CLUSTER_DNS = "10.96.0.10"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


class ConfigError(Exception):
    """The cluster cannot be described so; str() says what to do."""


@dataclass(frozen=True, slots=True)
class NodeConfig:
    name: str
    index: int  # from 1
    ip: str
    pod_cidr: str
    kubelet_port: int


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    name: str
    runtime: str  # native | fake
    store: str  # sqlite | memory | etcd (one of its own) | the address of an etcd (store_etcd.py)
    api_port: int
    network_index: int  # picks the cluster's networks; unique among the clusters of a host
    nodes: tuple[NodeConfig, ...] = field(default=())
    etcd_tls: tuple[str, str, str] = ("", "", "")  # files for an https etcd: CA, certificate, key
    identity: str = (
        ""  # tells clusters of one name in two directories apart; "" for one made before there was one
    )
    apiservers: int = 1
    controllers: int = 1
    schedulers: int = 1
    apiserver_args: tuple[str, ...] = ()  # NAME=VALUE, behind what the cluster says itself
    advertise: str = ""  # this machine's address for nodes on other machines; "" where there are none
    dns: bool = True  # whether nodes answer the cluster's DNS; else that is left to one of the user's own

    @property
    def short_id(self) -> str:
        """Eight characters that stand for the cluster in names that are the whole host's."""
        return blake2s((self.identity or self.name).encode(), digest_size=4).hexdigest()

    @property
    def host_name(self) -> str:
        """What its namespaces and cgroups are called on this host."""
        return f"kctl-{self.name}-{self.short_id}" if self.identity else f"kctl-{self.name}"

    @property
    def bridge(self) -> str:
        return f"kctl-{self.short_id}"

    @property
    def node_network(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(f"10.{99 - self.network_index}.0.0/24")

    @property
    def pod_network(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(f"10.{244 - self.network_index}.0.0/16")

    @property
    def gateway(self) -> str:
        """The host's address on the cluster bridge: where nodes and pods find the API server."""
        return str(self.node_network[1]) if self.runtime == "native" else "127.0.0.1"

    @property
    def api_host(self) -> str:
        """The address under which nodes and pods know the API server."""
        return self.advertise or self.gateway

    @property
    def server_url(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    def netns(self, node: NodeConfig) -> str:
        return f"{self.host_name}-{node.name}"


def plan_nodes(config: ClusterConfig, count: int, free_ports: Iterable[int]) -> tuple[NodeConfig, ...]:
    """Nodes 1..count. Real nodes have an address of their own; fake ones share loopback and need ports."""
    pods = list(config.pod_network.subnets(new_prefix=24))
    ports = iter(free_ports)
    return tuple(
        NodeConfig(
            name=f"node-{index}",
            index=index,
            ip=str(config.node_network[10 + index]) if config.runtime == "native" else "127.0.0.1",
            pod_cidr=str(pods[index]),
            kubelet_port=KUBELET_PORT if config.runtime == "native" else next(ports),
        )
        for index in range(1, count + 1)
    )


def identity_of(layout: Layout) -> str:
    """Where a cluster was made: no two on a host have it in common. It is remembered, and stays when the directory moves."""
    return str(layout.root.resolve())


def check_name(name: str, of: str = "cluster") -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is not a {of} name: use up to 32 lower-case letters, digits and '-', "
            "starting and ending with a letter or digit"
        )


def load(layout: Layout) -> ClusterConfig | None:
    """The remembered cluster, None for a new directory. Raises ConfigError for a file that cannot be read."""
    try:
        raw = json.loads(layout.config.read_bytes())
        nodes = tuple(NodeConfig(**node) for node in raw.pop("nodes"))
        ca, cert, key = raw.pop("etcd_tls", ("", "", ""))
        args = tuple(raw.pop("apiserver_args", ()))
        return ClusterConfig(**raw, nodes=nodes, etcd_tls=(ca, cert, key), apiserver_args=args)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{layout.config} cannot be read ({error}). Restore it, or remove the cluster with `kctl down --delete`"
        ) from error


def save(layout: Layout, config: ClusterConfig) -> None:
    write_atomic(layout.config, json.dumps(asdict(config), indent=2).encode() + b"\n")


def free_port(preferred: int = 0) -> int:
    """`preferred` where nothing listens on it, else one the kernel picks."""
    for port in (preferred, 0) if preferred else (0,):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigError("no free TCP port on this machine")


def free_network_index(home: Path, routes: Iterable[str]) -> int:
    """The lowest index whose networks are no Services' and no other cluster under `home` and no route of the host uses.

    `routes` are destination prefixes such as `10.99.0.0/24`.
    """
    taken = set()
    for path in sorted(home.glob("*/cluster.json")):
        try:
            taken.add(json.loads(path.read_bytes())["network_index"])
        except (OSError, ValueError, KeyError):
            continue
    used = [ipaddress.IPv4Network(route, strict=False) for route in (*routes, SERVICE_CIDR)]
    for index in range(50):
        candidate = ClusterConfig("x", "native", "sqlite", 0, index)
        mine = (candidate.node_network, candidate.pod_network)
        if index not in taken and not any(a.overlaps(b) for a in mine for b in used):
            return index
    raise ConfigError("no free pair of networks among 10.50-99.0.0/24 and 10.195-244.0.0/16 on this machine")


def with_nodes(
    config: ClusterConfig, count: int, choose_port: Callable[[], int] | None = None
) -> ClusterConfig:
    """The same cluster with `count` nodes: existing ones keep their names, addresses and ports."""
    kept = config.nodes[:count]
    ports = itertools.chain(
        (node.kubelet_port for node in kept), ((choose_port or free_port)() for _ in range(count))
    )
    planned = plan_nodes(config, count, ports)
    return replace(config, nodes=kept + planned[len(kept) :])
