"""`kctl network`: the composition root. Reads flags, builds the proxy, runs until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
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
from network.routes import NodeRoutes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kctl network", description="Makes Services' addresses work on nodes, by nftables."
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
    parser.add_argument("--bind-address", default="127.0.0.1", help="of the health server")
    parser.add_argument("--port", type=int, default=10256, help="of the health server; 0 chooses one")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser


async def run(options: argparse.Namespace) -> None:
    """Builds everything and runs it; ends by cancellation."""
    clock = SystemClock()
    transport = load_or_in_cluster(options.kubeconfig).transport()
    informers = InformerFactory(Client(transport, user_agent="kctl-network"), clock, random.Random())
    nodes = {}
    for word in options.node:
        name, _, netns = word.partition("=")
        nodes[name] = Path(netns) if netns else None
    proxy = ServiceProxy(informers, clock, nodes)
    routes = NodeRoutes(informers, clock, next(iter(nodes))) if options.routes else None

    def synced() -> str | None:
        if not proxy.has_synced():
            return "rules are not applied yet"
        return "routes are not set yet" if routes and not routes.has_synced() else None

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(
                serve_health(options.port, {}, ready={"rules": synced}, host=options.bind_address)
            )
            group.create_task(informers.run())
            group.create_task(follow_kubeconfig(options.kubeconfig, transport, clock))
            group.create_task(proxy.run())
            if routes:
                group.create_task(routes.run())
    finally:
        await transport.close()


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    if options.routes and (len(options.node) > 1 or "=" in options.node[0]):
        parser.error("--routes is for one node, in the network namespace of this process")
    setup_logging(options.log_level, "network")
    return run_process("network", lambda: run(options), refusals=(KubeconfigError,))


if __name__ == "__main__":
    sys.exit(main())
