"""`kctl scheduler`: the composition root. Reads flags, builds the parts, runs until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Mapping, Sequence

from client import leaderelection, loop
from client.client import Client
from client.events import EventRecorder
from client.health import serve_health
from client.informer import InformerFactory
from client.kubeconfig import KubeconfigError, load_or_in_cluster
from client.leaderelection import LeaderElector, LeadershipLost
from client.logs import setup_logging
from client.process import run_process
from client.renewal import follow_kubeconfig
from machinery.clock import SystemClock
from machinery.gvk import NAMESPACES
from scheduler.component import Scheduler
from scheduler.metrics import Collector
from scheduler.profile import DEFAULT_NAME, default_profile


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kctl scheduler",
        description="Places pods without a node onto nodes. Talks only to the API server.",
    )
    parser.add_argument("--kubeconfig", default="", help="where the API server is (default: in-cluster)")
    parser.add_argument(
        "--scheduler-name", default=DEFAULT_NAME, help="place pods whose spec.schedulerName is this"
    )
    parser.add_argument("--bind-address", default="127.0.0.1", help="of the health and metrics server")
    parser.add_argument(
        "--port", type=int, default=10259, help="of the health and metrics server; 0 chooses one"
    )
    leaderelection.add_flags(parser)
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser


async def run(options: argparse.Namespace) -> None:
    """Builds everything and runs it; ends by cancellation."""
    clock, rng = SystemClock(), random.Random()
    transport = load_or_in_cluster(options.kubeconfig).transport()
    client = Client(transport, user_agent="kctl-scheduler", field_manager="kube-scheduler")
    informers = InformerFactory(client, clock, rng)
    recorder = EventRecorder(client, clock, rng, options.scheduler_name)
    namespaces = informers.informer(NAMESPACES)

    def namespace_labels(name: str) -> Mapping[str, str]:
        namespace = namespaces.lister.get("", name)
        return (namespace or {}).get("metadata", {}).get("labels") or {}

    profile = default_profile(client, namespace_labels, options.scheduler_name)
    scheduler = Scheduler(client, informers, profile, clock, rng, recorder)

    class Registry:
        """What client.health asks of a registry: collect()."""

        def collect(self) -> object:
            return Collector(scheduler.metrics, scheduler.queue.counts).collect()

    def synced() -> str | None:
        return None if scheduler.has_synced() else "caches are not synced yet"

    async def lead() -> None:
        if not options.leader_elect:
            await scheduler.run()
            return
        config = leaderelection.config_of(options, "kube-scheduler")
        await LeaderElector(client, clock, rng, config).run(scheduler.run)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(
                serve_health(
                    options.port, {}, Registry(), ready={"informers": synced}, host=options.bind_address
                )
            )
            group.create_task(informers.run())
            group.create_task(recorder.run())
            group.create_task(lead())
            group.create_task(follow_kubeconfig(options.kubeconfig, transport, clock))
    finally:
        await transport.close()


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    setup_logging(options.log_level, "scheduler")
    return run_process(
        "scheduler", lambda: run(options), run=loop.run, refusals=(KubeconfigError, LeadershipLost)
    )


if __name__ == "__main__":
    sys.exit(main())
