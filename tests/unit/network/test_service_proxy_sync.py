"""What the proxy hands to the kernel: only changes, and everything anew after a refusal."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dns_world import HandFed
from service_objects import Obj, endpoint, service, slice_of

from machinery.clock import SystemClock
from machinery.gvk import ENDPOINTSLICES, SERVICES
from network.component import ServiceProxy
from network.proxy.nft import NftFailed


class Kernel:
    def __init__(self) -> None:
        self.refuses = False
        self.rulesets: list[str] = []
        self.forgot = 0

    async def apply(self, ruleset: str, netns: Path | None) -> None:
        self.rulesets.append(ruleset)
        if self.refuses:
            raise NftFailed("no")

    async def forget(self, before: object, now: object, netns: Path | None) -> int:
        self.forgot += 1
        raise OSError("no such table here")


def test_rules_are_changed_and_after_a_refusal_made_anew() -> None:
    async def main() -> None:
        fed, kernel = HandFed(), Kernel()
        proxy = ServiceProxy(fed, SystemClock(), {"a": None}, kernel.apply)
        assert await proxy.sync_once() and proxy.has_synced()
        fed.put(SERVICES, service())
        kernel.refuses = True
        assert not await proxy.sync_once()
        kernel.refuses = False
        assert await proxy.sync_once()
        assert await proxy.sync_once()
        fed.put(ENDPOINTSLICES, slice_of(endpoint("10.244.1.2")))
        assert await proxy.sync_once()
        anew = ["delete table" in ruleset for ruleset in kernel.rulesets]
        assert anew == [True, False, True, False]

    asyncio.run(main())


def test_slices_of_one_node_alone_are_only_in_its_rules() -> None:
    def offer(node: str, services: object, slices: object) -> list[Obj]:
        return [slice_of(endpoint("10.99.0.11"))] if node == "b" else []

    async def main() -> None:
        fed, kernel = HandFed(), Kernel()
        fed.put(SERVICES, service())
        nodes = {"a": None, "b": None}
        proxy = ServiceProxy(fed, SystemClock(), nodes, kernel.apply, offer)
        assert await proxy.sync_once()
        assert ["10.99.0.11" in ruleset for ruleset in kernel.rulesets] == [False, True]

    asyncio.run(main())


def test_flows_are_looked_at_only_when_datagrams_go_elsewhere() -> None:
    async def main() -> None:
        fed, kernel = HandFed(), Kernel()
        proxy = ServiceProxy(fed, SystemClock(), {"a": None}, kernel.apply, forget=kernel.forget)
        fed.put(SERVICES, service())
        assert await proxy.sync_once()
        assert kernel.forgot == 0
        fed.put(SERVICES, service(ports=[{"name": "dns", "port": 53, "protocol": "UDP"}]))
        assert await proxy.sync_once()  # also where the kernel says no
        assert kernel.forgot == 1

    asyncio.run(main())
