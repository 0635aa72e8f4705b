"""`kctl join`: this machine becomes a node of a cluster whose control plane runs elsewhere (or here).

    kctl token create --print-join-command             where the cluster is: a line to run on the machine
    kctl join HOST:PORT --token T --discovery-token-ca-cert-hash sha256:...

or, without a token, `kctl node kubeconfig NAME --address ADDRESS` there and `kctl join --kubeconfig FILE` here.

The machine runs a supervisor with two programs in its own network namespace: the node agent, and the service proxy that
also keeps the routes to the other nodes' pods and answers the cluster's DNS. Both act as the node. The range of pod addresses comes from the control
plane. The same call resumes after a crash or a reboot; `kctl leave` takes all of it down.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client.node_certificates import NotIssued, Wish, client_wish, request_certificate, serving_wish
from machinery.clock import SystemClock
from standalone import config as cluster_config
from standalone.bootstrap import BootstrapFailed, KeyPair, check_arguments, discover
from standalone.config import KUBELET_PORT, SERVICE_CIDR, ClusterConfig, ConfigError, NodeConfig
from standalone.daemon import Died, check_lives, fork_supervisor, tail
from standalone.kubeconfigs import kubeconfig
from standalone.layout import JOINED, Layout, kctl_home
from standalone.node_credentials import CLUSTER_CIDR, NodeCredentials, node_of, store, stored, with_networks
from standalone.pki import utc_now
from standalone.process import Program
from standalone.remains import node_cgroup_root
from standalone.sockets import Sockets
from standalone.stages import OnStage, timed
from standalone.supervisor import Lock

if TYPE_CHECKING:
    from client.client import Client
    from client.kubeconfig import ClientConfig

Obj = dict[str, Any]
READY_TIMEOUT_S = 90.0
RANGE_TIMEOUT_S = 30.0
ISSUED_TIMEOUT_S = 60.0
_NETWORK_HEALTH_PORT = 10256
_POLL_S = 0.1


class JoinFailed(Exception):
    """The machine is no Ready node of the cluster; str() says what is in the way."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a machine joins with that has no credentials yet."""

    address: str  # HOST:PORT of the API server
    token: str
    pins: tuple[str, ...]  # sha256:... of the CA's public key
    node_ip: str = ""  # "": the address it reaches the API server from
    cluster_cidr: str = CLUSTER_CIDR


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A file with credentials, or a token and the node's name, or the name alone: to be again what it was."""

    kubeconfig: Path | None = None
    token: Token | None = None
    node_name: str = ""
    data_dir: Path | None = None
    foreground: bool = False
    timeout_s: float = READY_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class JoinResult:
    layout: Layout
    node: NodeConfig
    server: str
    supervisor_pid: int


def joined_layout(node: str, data_dir: Path | None = None) -> Layout:
    return Layout((data_dir or kctl_home() / JOINED / node).absolute())


def joined_nodes() -> list[str]:
    """The nodes that this machine is, has been, or began to become."""
    folders = sorted((kctl_home() / JOINED).glob("*/kubeconfigs/node"))
    return [path.parents[1].name for path in folders]


def join(request: JoinRequest, on_stage: OnStage) -> JoinResult:
    """Returns when the node is Ready. Raises JoinFailed, ConfigError, KubeconfigError, AlreadyRunning."""
    done = timed(on_stage)

    if os.geteuid() != 0:
        raise JoinFailed("real containers need root (namespaces, cgroups, mounts): run it with sudo")
    name = node_of(request.kubeconfig, utc_now()) if request.kubeconfig else request.node_name
    cluster_config.check_name(name, "node")
    layout = joined_layout(name, request.data_dir)
    layout.make()
    lock = Lock(layout.lock)
    if request.kubeconfig:
        store(layout, request.kubeconfig.read_bytes())
    elif request.token:
        _bootstrap(layout, name, request.token)
        done("certificates")
    credentials = stored(layout, utc_now())
    with contextlib.closing(Sockets()) as sockets:
        if sockets.again(credentials.address, KUBELET_PORT) is None:
            raise ConfigError(
                f"the credentials are for a node at {credentials.address}, and port {KUBELET_PORT} there cannot be had: "
                "either it is no address of this machine, or another program has the port"
            )
        node = asyncio.run(_registered(credentials))
        done("registered")
        config = describe(credentials, node)
        cluster_config.save(layout, config)
        programs = plan_programs(layout, config, credentials, sockets.choose(_NETWORK_HEALTH_PORT))
        started_at = int(time.time())
        pid = fork_supervisor(layout, programs, lock, sockets, detach=not request.foreground)
    lock.release()  # the supervisor's copy keeps it held
    asyncio.run(_ready(layout, credentials, pid, started_at, request.timeout_s))
    done("node Ready")
    return JoinResult(layout, config.nodes[0], credentials.client.server, pid)


def _bootstrap(layout: Layout, name: str, token: Token) -> None:
    """Raises JoinFailed, ConfigError."""
    check_arguments(token.token, token.pins)
    address = token.node_ip or address_towards(token.address)
    try:
        with _told(token.address):
            asyncio.run(_with_certificates(layout, name, address, token))
    except BootstrapFailed as error:
        raise JoinFailed(str(error)) from error


async def _with_certificates(layout: Layout, name: str, address: str, token: Token) -> None:
    """A client's certificate by the token, and with it one to serve under the node's address."""
    cluster = await discover(token.address, token.token, token.pins)
    async with _client(cluster) as client:
        own = await _issued(client, client_wish(name))
    as_node = cluster._replace(token="", cert_data=own.certificate, key_data=own.key)
    async with _client(as_node) as client:
        await _own_node(client, name)
        await _tell_address(client, name, address)
        serving = await _issued(client, serving_wish(name, (name, address)))
    found = kubeconfig(
        cluster.server, cluster.ca_data, own.certificate, own.key, cluster="kctl", user=f"system:node:{name}"
    )
    store(layout, json.dumps(with_networks(found, token.cluster_cidr), indent=2).encode() + b"\n", serving)


async def _issued(client: Client, wish: Wish) -> KeyPair:
    """Raises BootstrapFailed."""
    try:
        found = await request_certificate(
            client, wish, SystemClock(), patience_s=ISSUED_TIMEOUT_S, poll_s=_POLL_S
        )
    except NotIssued as error:
        raise BootstrapFailed(str(error)) from error
    return KeyPair(*found)


async def _tell_address(client: Client, name: str, address: str) -> None:
    """A node gets a certificate only for what its Node says."""
    from machinery.gvk import NODES

    addresses = [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]
    await client.patch(NODES, name, {"status": {"addresses": addresses}}, type="merge", subresource="status")


def address_towards(server: str) -> str:
    """The address this machine speaks from to HOST:PORT; connecting a datagram socket sends nothing."""
    host, _, port = server.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, int(port)))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{server!r} is not HOST:PORT of an API server: {error}") from error
        return str(probe.getsockname()[0])


def describe(credentials: NodeCredentials, node: Obj) -> ClusterConfig:
    """The machine as a cluster of one node, as far as what cleans up after nodes has to know it."""
    cidr = (node.get("spec") or {})["podCIDR"]
    return ClusterConfig(
        name=f"{JOINED}-{credentials.node}"[:32].rstrip("-"),
        runtime="native",
        store="",
        api_port=0,
        network_index=0,
        nodes=(NodeConfig(credentials.node, 1, credentials.address, cidr, KUBELET_PORT),),
    )


def plan_programs(
    layout: Layout, config: ClusterConfig, credentials: NodeCredentials, health_port: int
) -> list[Program]:
    (node,) = config.nodes
    kubeconfig = f"--kubeconfig={layout.component_kubeconfig('node')}"
    pki = layout.pki
    agent = (
        kubeconfig,
        f"--node-name={node.name}",
        f"--node-ip={node.ip}",
        f"--pod-cidr={node.pod_cidr}",
        f"--cluster-cidr={credentials.cluster_cidr}",
        f"--data-dir={layout.node(node.name)}",
        f"--image-dir={layout.images}",
        f"--port={node.kubelet_port}",
        f"--tls-cert-file={pki / 'node.crt'}",
        f"--tls-private-key-file={pki / 'node.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--cert-dir={pki}",
        "--rotate-certificates",
        "--rotate-server-certificates",
        f"--cluster-dns={credentials.cluster_dns}",
        "--cluster-domain=cluster.local",
        f"--cgroup-root={node_cgroup_root(config, node)}",
    )
    network = (
        kubeconfig,
        f"--port={health_port}",
        f"--node={node.name}",
        "--routes",
        f"--dns={node.name}={node.ip}",
        f"--cluster-cidr={credentials.cluster_cidr}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
    )
    return [
        Program(
            "network",
            "network.__main__",
            network,
            layout.log("network"),
            listen=(("127.0.0.1", health_port),),
            health_port=health_port,
            watched=True,
        ),
        Program(
            f"nodeagent-{node.name}",
            "nodeagent.__main__",
            agent,
            layout.log(f"nodeagent-{node.name}"),
            listen=((node.ip, node.kubelet_port),),
            watched=True,
        ),
    ]


@contextlib.asynccontextmanager
async def _client(config: ClientConfig) -> AsyncIterator[Client]:
    from client.client import Client

    transport = config.transport()
    try:
        yield Client(transport, user_agent="kctl-join", field_manager="kctl-join")
    finally:
        await transport.close()


@contextlib.contextmanager
def _told(server: str) -> Iterator[None]:
    """What goes wrong on the way to the server, in words that help. Raises JoinFailed."""
    from client.transport import TransportError
    from machinery.errors import ApiError

    try:
        yield
    except TransportError as error:
        refused = isinstance(error.__cause__, ConnectionRefusedError)
        why = "nothing listens there" if refused else error
        raise JoinFailed(
            f"{server} cannot be reached: {why}. Does the cluster run, and is the way to it open?"
        ) from error
    except ApiError as error:
        raise JoinFailed(f"{server} refused this machine: {error}") from error


async def _registered(credentials: NodeCredentials) -> Obj:
    """The Node, made if need be, once it has a range of pod addresses. Raises JoinFailed."""
    server = credentials.client.server
    try:
        with _told(server):
            async with _client(credentials.client) as client, asyncio.timeout(RANGE_TIMEOUT_S):
                while True:
                    node = await _own_node(client, credentials.node)
                    if (node.get("spec") or {}).get("podCIDR"):
                        return node
                    await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise JoinFailed(
            f"{server} gave the node no range of pod addresses within {RANGE_TIMEOUT_S:.0f} s: its controllers must run "
            "with --allocate-node-cidrs, as `kctl up --advertise-address` starts them"
        ) from None


async def _own_node(client: Client, name: str) -> Obj:
    from machinery.errors import AlreadyExists, NotFound
    from machinery.gvk import NODES

    with contextlib.suppress(NotFound):
        return await client.get(NODES, name)
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
    }
    with contextlib.suppress(AlreadyExists):
        return await client.create(NODES, node)
    return await client.get(NODES, name)


async def _ready(
    layout: Layout, credentials: NodeCredentials, pid: int, started_at: int, timeout_s: float
) -> None:
    """By the node's own word from now on: one that comes back is remembered as Ready. Raises JoinFailed."""
    from client.transport import TransportError
    from machinery.clock import parse_rfc3339
    from machinery.errors import ApiError

    told = "it has not reported yet"
    try:
        async with _client(credentials.client) as client, asyncio.timeout(timeout_s):
            while True:
                check_lives(layout, pid)
                with contextlib.suppress(ApiError, TransportError):
                    node = await _own_node(client, credentials.node)
                    conditions = (node.get("status") or {}).get("conditions") or ()
                    ready: Obj = next((c for c in conditions if c["type"] == "Ready"), {})
                    told = ready.get("message") or told
                    heard = ready.get("lastHeartbeatTime")
                    if ready.get("status") == "True" and heard and parse_rfc3339(heard) >= started_at:
                        return
                await asyncio.sleep(_POLL_S)
    except Died as died:
        raise JoinFailed(str(died)) from None
    except TimeoutError:
        agent = f"nodeagent-{credentials.node}"
        raise JoinFailed(
            f"the node is not Ready: {told}. Its log is {layout.log(agent)}\n{tail(layout, agent)}"
        ) from None
