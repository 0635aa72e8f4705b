"""The controller manager: all built-in controllers in one process. The list is explicit.

Takes everything from outside; `run()` goes on until cancelled. Reconcilers share one set of caches.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

from client.client import Client
from client.informer import InformerFactory
from controllers import (
    deployment,
    endpointslice,
    namespace,
    nodelifecycle,
    podgc,
    replicaset,
    serviceaccount,
    tainteviction,
)
from controllers.framework import Reconciler, Runner
from controllers.framework.metrics import ReconcilerMetrics
from controllers.garbagecollector import GarbageCollector
from controllers.rootca import root_ca_publisher
from machinery.clock import Clock
from machinery.workqueue import WorkQueue

RECONCILERS: Sequence[Reconciler] = (
    namespace.reconcile,
    serviceaccount.reconcile,
    deployment.reconcile,
    replicaset.reconcile,
    endpointslice.reconcile,
    nodelifecycle.reconcile,
    tainteviction.reconcile,
    podgc.reconcile,
)
GARBAGE_COLLECTOR = GarbageCollector.name


def controller_names() -> list[str]:
    return [*(each.name for each in RECONCILERS), "rootca", GARBAGE_COLLECTOR]


class ControllerManager:
    """`ca_bundle` (PEM) is published to every namespace; empty publishes nothing.

    `only` names the controllers to run; None runs all.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rng: random.Random,
        *,
        ca_bundle: str = "",
        only: Sequence[str] | None = None,
    ) -> None:
        names = set(controller_names() if only is None else only)
        if unknown := names - set(controller_names()):
            raise ValueError(
                f"no such controllers: {', '.join(sorted(unknown))}; there are {', '.join(controller_names())}"
            )
        reconcilers = [*RECONCILERS, *([root_ca_publisher(ca_bundle)] if ca_bundle else [])]
        self._informers = InformerFactory(client, clock, rng)
        chosen = [each for each in reconcilers if each.name in names]
        self.runner = Runner(client, clock, rng, chosen, informers=self._informers)
        self.garbage_collector = GarbageCollector(client, clock, rng) if GARBAGE_COLLECTOR in names else None

    @property
    def metrics(self) -> Mapping[str, ReconcilerMetrics]:
        return self.runner.metrics

    @property
    def queues(self) -> Mapping[str, WorkQueue[Any]]:
        collector = self.garbage_collector
        return {**self.runner.queues, **({collector.name: collector.queue} if collector else {})}

    def has_synced(self) -> bool:
        collector = self.garbage_collector
        return self.runner.has_synced() and (collector is None or collector.has_synced())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informers.run(), name="informers")
            group.create_task(self.runner.run(), name="reconcilers")
            if self.garbage_collector is not None:
                group.create_task(self.garbage_collector.run(), name="garbage collector")
