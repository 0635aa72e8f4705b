"""`kctl network`: the composition root. Reads flags, builds the proxy and the DNS, runs until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from client.client import Client
from client.health import serve_health
from client.informer import InformerFactory
from client.kubeconfig import KubeconfigError, load_or_in_cluster
from client.logs import setup_logging
from client.process import run_process
from client.renewal import follow_kubeconfig
from machinery.clock import SystemClock
from network.component import ServiceProxy
from network.dns.component import ClusterDns, Place, Settings
from network.routes import NodeRoutes


class FlagError(ValueError):
    """A flag that cannot be; str() says which."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kctl network", description="Makes Services' addresses and names work on nodes."
    )
    parser.add_argument("--kubeconfig", default="", help="where the API server is (default: in-cluster)")
    parser.add_argument(
        "--node",
        action="append",
        required=True,
        metavar="NAME[=NETNS]",
        help="a node to serve and the path of its network namespace (default: this one); may be repeated",
    )
    parser.add_argument(
        "--routes",
        action="store_true",
        help="keep routes to the pods of nodes on other machines; for one --node, in this network namespace",
    )
    parser.add_argument(
        "--dns",
        action="append",
        default=[],
        metavar="NAME=ADDRESS",
        help="answer the cluster's DNS on that node, at that address of it; may be repeated, without it there is none",
    )
    parser.add_argument("--cluster-domain", default="cluster.local", help="the zone that the DNS answers for")
    parser.add_argument(
        "--cluster-cidr",
        default="10.244.0.0/16",
        help="whose addresses the DNS answers, beside the node's own",
    )
    parser.add_argument(
        "--resolv-conf", default="/etc/resolv.conf", help="names whom the DNS asks for all other names"
    )
    parser.add_argument(
        "--service-cluster-ip-range",
        type=_network,
        default="",
        help="where Services' addresses lie: what goes there and to no Service is refused (default: not refused)",
    )
    parser.add_argument("--bind-address", default="127.0.0.1", help="of the health server")
    parser.add_argument("--port", type=int, default=10256, help="of the health server; 0 chooses one")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser


def _network(word: str) -> str:
    return str(IPv4Network(word))


def _nodes(words: Sequence[str]) -> dict[str, Path | None]:
    found: dict[str, Path | None] = {}
    for word in words:
        name, _, netns = word.partition("=")
        found[name] = Path(netns) if netns else None
    return found


def _dns(options: argparse.Namespace) -> Settings:
    """Raises FlagError."""
    nodes, places = _nodes(options.node), {}
    try:
        for word in options.dns:
            name, _, address = word.partition("=")
            if name not in nodes:
                raise FlagError(f"--dns {word}: {name!r} is no --node")
            places[name] = Place(str(IPv4Address(address)), nodes[name])
        clients = (IPv4Network(options.cluster_cidr),)
    except ValueError as error:
        raise FlagError(str(error)) from error
    return Settings(places, clients, options.cluster_domain, Path(options.resolv_conf))


async def run(options: argparse.Namespace) -> None:
    """Builds everything and runs it; ends by cancellation."""
    clock = SystemClock()
    transport = load_or_in_cluster(options.kubeconfig).transport()
    informers = InformerFactory(Client(transport, user_agent="kctl-network"), clock, random.Random())
    nodes = _nodes(options.node)
    dns = ClusterDns(informers, clock, random.Random(), _dns(options))
    dns.open()
    proxy = ServiceProxy(
        informers, clock, nodes, offer=dns.offer, service_network=options.service_cluster_ip_range
    )
    routes = NodeRoutes(informers, clock, next(iter(nodes))) if options.routes else None

    def synced() -> str | None:
        if not proxy.has_synced():
            return "rules are not applied yet"
        return "routes are not set yet" if routes and not routes.has_synced() else None

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(
                serve_health(
                    options.port,
                    {},
                    dns,
                    ready={"rules": synced, "dns": dns.trouble},
                    host=options.bind_address,
                )
            )
            group.create_task(informers.run())
            group.create_task(follow_kubeconfig(options.kubeconfig, transport, clock))
            group.create_task(proxy.run())
            group.create_task(dns.run(proxy.mark))
            if routes:
                group.create_task(routes.run())
    finally:
        await transport.close()


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    if options.routes and (len(options.node) > 1 or "=" in options.node[0]):
        parser.error("--routes is for one node, in the network namespace of this process")
    try:
        _dns(options)
    except FlagError as error:
        parser.error(str(error))
    setup_logging(options.log_level, "network")
    return run_process("network", lambda: run(options), refusals=(KubeconfigError,))


if __name__ == "__main__":
    sys.exit(main())
