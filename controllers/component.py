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
    clusterroleaggregation,
    csrapproving,
    csrcleaner,
    deployment,
    disruption,
    endpointslice,
    namespace,
    nodelifecycle,
    podgc,
    replicaset,
    serviceaccount,
    tainteviction,
    tokencleaner,
    volumeprotection,
)
from controllers.bootstrapsigner import bootstrap_signer, public_kubeconfig
from controllers.csrsigning import Signer, csr_signing
from controllers.framework import Reconciler, Runner
from controllers.framework.metrics import ReconcilerMetrics
from controllers.garbagecollector import GarbageCollector
from controllers.nodeipam import NAME as NODE_IPAM
from controllers.nodeipam import node_ipam
from controllers.resourcequota import ResourceQuotas
from controllers.rootca import root_ca_publisher
from controllers.serviceaccounttoken import SignClaims, service_account_tokens
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
    disruption.reconcile,
    volumeprotection.protect_claims,
    volumeprotection.protect_volumes,
    csrapproving.reconcile,
    csrcleaner.reconcile,
    tokencleaner.reconcile,
    clusterroleaggregation.reconcile,
)
# Made with what only the composition knows; those that lack it do not run.
_MADE = ("rootca", NODE_IPAM, "bootstrapsigner", "csrsigning", "serviceaccount-token")
GARBAGE_COLLECTOR = GarbageCollector.name
RESOURCE_QUOTAS = ResourceQuotas.name


def controller_names() -> list[str]:
    return [*(each.name for each in RECONCILERS), *_MADE, RESOURCE_QUOTAS, GARBAGE_COLLECTOR]


class ControllerManager:
    """`ca_bundle` (PEM) is published to every namespace; empty publishes nothing. `cluster_cidr` is shared out
    among nodes that come without a range of pod addresses; empty gives none. `public_server` is the API server's URL
    as other machines reach it, published in kube-public; empty publishes nothing. `signer` signs certificates,
    `sign_claims` the tokens that live in Secrets.

    `only` names the controllers to run; None runs all.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rng: random.Random,
        *,
        ca_bundle: str = "",
        cluster_cidr: str = "",
        public_server: str = "",
        signer: Signer | None = None,
        sign_claims: SignClaims | None = None,
        only: Sequence[str] | None = None,
    ) -> None:
        names = set(controller_names() if only is None else only)
        if unknown := names - set(controller_names()):
            raise ValueError(
                f"no such controllers: {', '.join(sorted(unknown))}; there are {', '.join(controller_names())}"
            )
        reconcilers = [
            *RECONCILERS,
            *([root_ca_publisher(ca_bundle)] if ca_bundle else []),
            *([node_ipam(cluster_cidr)] if cluster_cidr else []),
            *([csr_signing(signer)] if signer else []),
            *([service_account_tokens(sign_claims, ca_bundle)] if sign_claims else []),
            bootstrap_signer(public_kubeconfig(public_server, ca_bundle) if public_server else ""),
        ]
        self._informers = InformerFactory(client, clock, rng)
        chosen = [each for each in reconcilers if each.name in names]
        self.runner = Runner(client, clock, rng, chosen, informers=self._informers)
        self.garbage_collector = GarbageCollector(client, clock, rng) if GARBAGE_COLLECTOR in names else None
        self.resource_quotas = ResourceQuotas(client, clock, rng) if RESOURCE_QUOTAS in names else None

    @property
    def metrics(self) -> Mapping[str, ReconcilerMetrics]:
        return self.runner.metrics

    @property
    def queues(self) -> Mapping[str, WorkQueue[Any]]:
        own = {each.name: each.queue for each in (self.resource_quotas,) if each is not None}
        collector = self.garbage_collector
        return {**self.runner.queues, **own, **({collector.name: collector.queue} if collector else {})}

    def has_synced(self) -> bool:
        apart = (self.garbage_collector, self.resource_quotas)
        return self.runner.has_synced() and all(each is None or each.has_synced() for each in apart)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informers.run(), name="informers")
            group.create_task(self.runner.run(), name="reconcilers")
            if self.resource_quotas is not None:
                group.create_task(self.resource_quotas.run(), name="resource quotas")
            if self.garbage_collector is not None:
                group.create_task(self.garbage_collector.run(), name="garbage collector")
