"""`kctl nodeagent`: the composition root. Reads flags, builds the parts, runs until SIGTERM.

A restart touches no container: they belong to the node's spawner, which this process finds again.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from client import loop
from client.client import Client
from client.health import serve_health
from client.http1 import HttpTransport
from client.kubeconfig import ClientConfig, KubeconfigError, load_or_in_cluster
from client.logs import get_logger, setup_logging
from client.node_certificates import client_wish, serving_wish
from client.process import run_process
from client.renewal import follow_kubeconfig
from machinery.clock import Clock, SystemClock
from nodeagent.certificates import (
    CLIENT_FILE,
    SERVER_FILE,
    Rotation,
    rewrite_kubeconfig,
    rotated,
    run_rotations,
)
from nodeagent.component import NodeAgent
from nodeagent.config import AgentConfig
from nodeagent.files import HostFiles
from nodeagent.files_linux import LinuxFiles
from nodeagent.network import Network, SimulatedNetwork, SocketNetwork
from nodeagent.node.machine import read_machine
from nodeagent.server.serve import ServeConfig, listen, serve
from runtime.cri import ImageFailure, ImageService, RuntimeFailure, RuntimeService
from runtime.images.atomic import write_file

log = get_logger("nodeagent")


class FlagError(Exception):
    """A flag cannot be used; str() says which and why."""


class Parts(NamedTuple):
    runtime: RuntimeService
    images: ImageService
    files: HostFiles
    network: Network


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kctl nodeagent",
        description="Runs the pods that are bound to its node. Talks only to the API server and its runtime.",
    )
    add = parser.add_argument
    add("--kubeconfig", default="", help="where the API server is (default: in-cluster)")
    add("--node-name", default=socket.gethostname().lower(), help="the Node object's name")
    add("--hostname", default="", help="label kubernetes.io/hostname and address (default: the node's name)")
    add("--node-ip", default="", help="the node's address or addresses, separated by commas")
    add("--pod-cidr", default="", help="the addresses of this node's pods")
    add(
        "--cluster-cidr",
        default="10.244.0.0/16",
        help="the addresses of all pods: not masqueraded among them",
    )
    add("--data-dir", default="/var/lib/kctl/node", help="pods, logs, and the runtime's state")
    add(
        "--image-dir",
        default="",
        help="the image store, shared by the nodes of a host (default: DATA_DIR/images)",
    )
    add("--runtime", default="native", choices=("native", "fake"), help="fake runs no process at all")
    add("--bind-address", default="", help="of the streaming server (default: the first node address)")
    add("--port", type=int, default=10250, help="of the streaming server; 0 chooses one")
    add("--healthz-port", type=int, default=10248, help="plain health on loopback; -1 for none")
    add(
        "--tls-cert-file", default="", help="the streaming server's certificate; none: plain HTTP on loopback"
    )
    add("--tls-private-key-file", default="")
    add("--client-ca-file", default="", help="who must have signed the API server's client certificate")
    add("--cert-dir", default="", help="where renewed certificates lie (default: DATA_DIR/pki)")
    add("--rotate-certificates", action="store_true", help="renew the client certificate by the cluster")
    add("--rotate-server-certificates", action="store_true", help="renew the streaming server's likewise")
    add("--cluster-dns", default="", help="addresses of the cluster's DNS, separated by commas")
    add("--cluster-domain", default="cluster.local")
    add("--resolv-conf", default="/etc/resolv.conf", help="what pods with the node's own resolvers get")
    add(
        "--cluster-api-host",
        default="",
        help="what pods see as KUBERNETES_SERVICE_HOST (default: the Service)",
    )
    add("--cluster-api-port", type=int, default=0)
    add("--cgroup-root", default="", help="the cgroup below which pods stand (default: /kctl/NODE)")
    add("--max-pods", type=int, default=110)
    add("--pod-max-pids", type=int, default=4096, help="processes per pod; -1 for no limit")
    add("--node-labels", default="", help="KEY=VALUE, separated by commas")
    add("--register-with-taints", default="", help="KEY=VALUE:EFFECT, separated by commas")
    add("--allowed-unsafe-sysctls", default="", help="names or prefixes ending in *, separated by commas")
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser


def config_of(options: argparse.Namespace) -> AgentConfig:
    """Raises FlagError."""
    addresses = _words(options.node_ip) or [_own_address()]
    return AgentConfig(
        node_name=options.node_name,
        data_dir=PurePosixPath(os.path.abspath(options.data_dir)),
        node_ips=tuple(addresses),
        hostname=options.hostname,
        pod_cidr=options.pod_cidr,
        port=options.port,
        max_pods=options.max_pods,
        pod_pids_limit=options.pod_max_pids,
        cluster_dns=tuple(_words(options.cluster_dns)),
        cluster_domain=options.cluster_domain,
        host_resolv_conf=options.resolv_conf,
        api_host=options.cluster_api_host,
        api_port=options.cluster_api_port,
        cgroup_root=options.cgroup_root,
        node_labels=dict(_pair("--node-labels", word) for word in _words(options.node_labels)),
        register_taints=tuple(_taint(word) for word in _words(options.register_with_taints)),
        allowed_sysctls=tuple(_words(options.allowed_unsafe_sysctls)),
    )


async def run(options: argparse.Namespace) -> None:
    """Builds everything and runs it; ends by cancellation."""
    clock, rng = SystemClock(), random.Random()
    config = config_of(options)
    host = options.bind_address or (config.node_ips[0] if options.tls_cert_file else "127.0.0.1")
    try:
        listener = listen(host, options.port)
    except OSError as error:
        raise FlagError(f"cannot listen on port {options.port}: {error}") from error
    certificates = Path(options.cert_dir or os.path.join(config.data_dir, "pki"))

    def renewed(said: ClientConfig) -> ClientConfig:
        return rotated(said, certificates, clock.now())

    def credentials() -> ClientConfig:
        return renewed(load_or_in_cluster(options.kubeconfig))

    transport = credentials().transport()
    parts = _parts(options, config, clock, rng)
    client = Client(transport, user_agent="kctl-nodeagent", field_manager="kubelet")
    agent = NodeAgent(
        config=config,
        client=client,
        runtime=parts.runtime,
        images=parts.images,
        clock=clock,
        rng=rng,
        files=parts.files,
        network=parts.network,
        machine=read_machine(),
        log_files=LinuxFiles(),
        listen_port=listener.getsockname()[1],
    )
    serving = ServeConfig(
        host,
        options.port,
        options.tls_cert_file,
        options.tls_private_key_file,
        options.client_ca_file,
        renewed_file=str(certificates / SERVER_FILE),
    )
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(agent.run(), name="agent")
            group.create_task(_serve_health(options.healthz_port, agent), name="health")
            group.create_task(serve(agent.app, serving, listener, clock), name="server")
            group.create_task(follow_kubeconfig(options.kubeconfig, transport, clock, renewed))
            if rotations := _rotations(options, config, certificates, transport, credentials, serving):
                group.create_task(run_rotations(rotations, client, clock, rng), name="certificates")
    finally:
        await transport.close()


def _rotations(
    options: argparse.Namespace,
    config: AgentConfig,
    certificates: Path,
    transport: HttpTransport,
    credentials: Callable[[], ClientConfig],
    serving: ServeConfig,
) -> list[Rotation]:
    """The certificates that this node renews for itself. `credentials` are those that it shows now."""
    rotations: list[Rotation] = []
    if not (options.rotate_certificates or options.rotate_server_certificates):
        return rotations
    certificates.mkdir(parents=True, exist_ok=True)
    if options.rotate_certificates:

        def take_client(certificate: bytes, key: bytes) -> None:
            write_file(certificates / CLIENT_FILE, certificate + key)
            if options.kubeconfig:
                rewrite_kubeconfig(options.kubeconfig, certificate, key)
            context = credentials()._replace(cert_data=certificate, key_data=key).ssl_context()
            if context is not None:
                transport.use_context(context)

        rotations.append(
            Rotation(client_wish(config.node_name), lambda: credentials().cert_data, take_client)
        )
    if options.rotate_server_certificates and options.tls_cert_file:

        def take_serving(certificate: bytes, key: bytes) -> None:
            write_file(certificates / SERVER_FILE, certificate + key)

        names = (config.hostname or config.node_name, *config.node_ips)
        wish = serving_wish(config.node_name, names)
        rotations.append(Rotation(wish, lambda: Path(serving.pair()[0]).read_bytes(), take_serving))
    return rotations


async def _serve_health(port: int, agent: NodeAgent) -> None:
    """/healthz, /livez, /readyz for who has no client certificate. Several nodes of a host share one address:
    the first takes the port."""
    if port < 0:
        return
    try:
        await serve_health(port, {}, None, ready={"node": agent.is_ready})
    except OSError as error:
        log.warning("no plain health port", port=port, why=str(error))


def _parts(options: argparse.Namespace, config: AgentConfig, clock: Clock, rng: random.Random) -> Parts:
    if options.runtime == "fake":
        from nodeagent.files_memory import MemoryFiles
        from runtime.fake import FakeImages, FakeRuntime

        fake_images = FakeImages(clock, pull_s=0.05)
        fake = FakeRuntime(clock, rng, fake_images, pod_cidr=config.pod_cidr or "10.244.0.0/24")
        return Parts(fake, fake_images, MemoryFiles(), SimulatedNetwork())
    from runtime.images.service import LocalImages
    from runtime.service.native import NativeRuntime

    data = Path(config.data_dir)
    images = LocalImages(
        Path(options.image_dir) if options.image_dir else data / "images",
        clock,
        node_root=data / "containers",
        on_line=_host_network(),
    )
    runtime = NativeRuntime(
        clock,
        rng,
        images,
        images,
        directory=str(data / "runtime"),
        pod_cidr=config.pod_cidr,
        cluster_cidr=options.cluster_cidr,
    )
    return Parts(runtime, images, LinuxFiles(), SocketNetwork())


def _host_network() -> Callable[[], None] | None:
    """What moves a thread into the network namespace that $KCTL_HOST_NETNS names; None where it is not set."""
    path = os.environ.get("KCTL_HOST_NETNS")
    if not path:
        return None
    from runtime.linux.constants import CLONE_NEWNET
    from runtime.linux.syscalls import LinuxSyscalls

    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return lambda: LinuxSyscalls().setns(handle, CLONE_NEWNET)


def _own_address() -> str:
    """The address this machine speaks from; connecting a datagram socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _pair(flag: str, word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise FlagError(f"{flag}: {word!r} is not KEY=VALUE")
    return key, value


def _taint(word: str) -> dict[str, str]:
    rest, colon, effect = word.rpartition(":")
    if not colon or effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        raise FlagError(f"--register-with-taints: {word!r} is not KEY=VALUE:EFFECT")
    key, _, value = rest.partition("=")
    return {"key": key, "effect": effect, **({"value": value} if value else {})}


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    setup_logging(options.log_level, "nodeagent")
    # What is loaded until now stays, and what pods leave behind is not much: the collector need not look often.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    refusals = (KubeconfigError, FlagError, RuntimeFailure, ImageFailure)
    return run_process("nodeagent", lambda: run(options), run=loop.run, refusals=refusals)


if __name__ == "__main__":
    sys.exit(main())
