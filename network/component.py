"""The service proxy of one or several nodes: watches Services and EndpointSlices, keeps the kernel's rules equal.

Changes are gathered for a moment and applied as one transaction per node; a refused ruleset is logged with
nft's words, leaves the old one in force, and is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from client.informer import InformerFactory
from client.logs import get_logger
from machinery.clock import Clock
from machinery.gvk import ENDPOINTSLICES, SERVICES
from network.proxy import conntrack, nft
from network.proxy.nft import NftFailed
from network.proxy.plan import Forward, plan_forwards

log = get_logger("network")
GATHER_S = 0.01
_RETRY_S = 2.0
Apply = Callable[[str, Path | None], Awaitable[None]]
Forget = Callable[[Sequence[Forward], Sequence[Forward], Path | None], Awaitable[int]]
Obj = dict[str, Any]
Offer = Callable[[str, Sequence[Obj], Sequence[Obj]], Sequence[Obj]]


class ServiceProxy:
    """`nodes` maps a node's name to its network namespace (None: the one this process is in). `offer` gives the slices
    that hold on one node alone, by its name, from all Services and slices."""

    def __init__(
        self,
        informers: InformerFactory,
        clock: Clock,
        nodes: Mapping[str, Path | None],
        apply: Apply = nft.apply,
        offer: Offer = lambda *_: (),
        forget: Forget = conntrack.forget,
        service_network: str = "",
    ) -> None:
        self._clock = clock
        self._nodes = nodes
        self._apply = apply
        self._offer = offer
        self._forget = forget
        self._service_network = service_network
        self._applied: dict[str, tuple[Forward, ...]] = {}
        self._unsure: set[str] = set()  # nodes whose rules may be others than those: they begin anew
        self._changed = asyncio.Event()
        self._services = informers.informer(SERVICES)
        self._slices = informers.informer(ENDPOINTSLICES)

    def has_synced(self) -> bool:
        return len(self._applied) == len(self._nodes)

    def mark(self, *_: Any) -> None:
        """Something is different now."""
        self._changed.set()

    async def run(self) -> None:
        for informer in (self._services, self._slices):
            informer.add_handler(on_add=self.mark, on_update=self.mark, on_delete=self.mark)
            await informer.wait_synced()
        self._changed.set()
        while True:
            await self._changed.wait()
            await self._clock.sleep(GATHER_S)
            self._changed.clear()
            if not await self.sync_once():
                await self._clock.sleep(_RETRY_S)
                self._changed.set()

    async def sync_once(self) -> bool:
        """Whether every node's kernel now agrees."""
        services, slices = self._services.lister.list(), self._slices.lister.list()
        good = True
        for name, netns in self._nodes.items():
            forwards = plan_forwards(services, [*slices, *self._offer(name, services, slices)], name)
            if self._applied.get(name) == forwards:
                continue
            before = self._applied.get(name, ())
            sure = name in self._applied and name not in self._unsure
            try:
                rules = nft.render(forwards, before if sure else None, service_network=self._service_network)
                await self._apply(rules, netns)
            except (NftFailed, OSError) as error:
                self._unsure.add(name)
                log.error("ruleset refused", node=name, why=str(error))
                good = False
                continue
            self._applied[name] = forwards
            self._unsure.discard(name)
            if conntrack.concerns(before, forwards):
                try:
                    await self._forget(before, forwards, netns)
                except OSError as error:
                    log.warning("flows to former endpoints are not forgotten", node=name, why=str(error))
        return good
