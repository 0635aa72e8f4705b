"""Reconcilers as a process of their own: flags, connection, health server, leader election, signals.

An operator's whole main is

    if __name__ == "__main__":
        sys.exit(run_operator(reconcile))

The built-in controller manager goes through the same `run_process`, with flags of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from client import leaderelection, loop
from client import process as client_process
from client.client import Client
from client.health import serve_health
from client.kubeconfig import ClientConfig, KubeconfigError, load_or_in_cluster
from client.leaderelection import LeaderElector, LeadershipLost
from client.logs import setup_logging
from client.renewal import follow_kubeconfig
from controllers.framework.metrics import Collector, ReconcilerMetrics
from controllers.framework.reconciler import Reconciler
from controllers.framework.runner import Runner
from machinery.clock import Clock, SystemClock
from machinery.workqueue import WorkQueue


class Work(Protocol):
    """What a process runs: a Runner, or all controllers."""

    @property
    def metrics(self) -> Mapping[str, ReconcilerMetrics]: ...

    @property
    def queues(self) -> Mapping[str, WorkQueue[Any]]: ...

    def has_synced(self) -> bool: ...

    async def run(self) -> None: ...


MakeWork = Callable[[Client, Clock, random.Random, ClientConfig], Work]


def add_flags(parser: argparse.ArgumentParser, *, port: int, namespace: str) -> None:
    """The flags every such process has."""
    parser.add_argument("--kubeconfig", default="", help="where the API server is (default: in-cluster)")
    parser.add_argument("--bind-address", default="127.0.0.1", help="of the health and metrics server")
    parser.add_argument(
        "--port", type=int, default=port, help="of the health and metrics server; 0 chooses one"
    )
    leaderelection.add_flags(parser)
    parser.add_argument("--leader-elect-resource-namespace", default=namespace, help="of the lease")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))


def run_operator(*reconcilers: Reconciler, name: str = "operator", argv: Sequence[str] | None = None) -> int:
    """Runs reconcilers until SIGTERM or SIGINT; the process's exit code."""
    parser = argparse.ArgumentParser(description=f"Reconciles {', '.join(str(r.gvr) for r in reconcilers)}.")
    add_flags(parser, port=8080, namespace="default")
    options = parser.parse_args(argv)

    def make(client: Client, clock: Clock, rng: random.Random, config: ClientConfig) -> Work:
        return Runner(client, clock, rng, reconcilers)

    return run_process(name, options, make)


def run_process(name: str, options: argparse.Namespace, make: MakeWork) -> int:
    """`name` is the log's component, the lease's name and the field manager."""
    setup_logging(options.log_level, name)
    refusals = (KubeconfigError, LeadershipLost)
    return client_process.run_process(
        name, lambda: _run(name, options, make), run=loop.run, refusals=refusals
    )


async def _run(name: str, options: argparse.Namespace, make: MakeWork) -> None:
    clock, rng = SystemClock(), random.Random()
    config = load_or_in_cluster(options.kubeconfig)
    transport = config.transport()
    client = Client(transport, user_agent=f"kctl/{name}", field_manager=name)
    work = make(client, clock, rng, config)
    collector = Collector(work.metrics, work.queues)

    def synced() -> str | None:
        return None if work.has_synced() else "caches are not synced yet"

    async def lead() -> None:
        if not options.leader_elect:
            await work.run()
            return
        lease = leaderelection.config_of(options, name, options.leader_elect_resource_namespace)
        await LeaderElector(client, clock, rng, lease).run(work.run)

    ready = {} if options.leader_elect else {"informers": synced}
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(
                serve_health(options.port, {}, collector, ready=ready, host=options.bind_address)
            )
            group.create_task(lead())
            group.create_task(follow_kubeconfig(options.kubeconfig, transport, clock))
    finally:
        await transport.close()
