"""The cluster's DNS on loopback, over real sockets, with informers that a test feeds by hand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message

from client.informer import Informer
from machinery.clock import SystemClock
from machinery.gvk import ENDPOINTSLICES, GVR, SERVICES, key_of
from network.dns.component import ClusterDns, Place, Settings
from network.dns.sockets import open_sockets

Obj = dict[str, Any]


class HandFed:
    """Instead of an InformerFactory: what is there is what was put."""

    def __init__(self) -> None:
        self._informers: dict[GVR, Informer] = {}

    def informer(self, gvr: GVR) -> Informer:
        if gvr not in self._informers:
            self._informers[gvr] = Informer(gvr, lambda _: None)
            self._informers[gvr].replaced({}, "1")
        return self._informers[gvr]

    def put(self, gvr: GVR, *objects: Obj) -> None:
        for obj in objects:
            old = self.informer(gvr).lister.get(*key_of(obj))
            version = int(old["metadata"]["resourceVersion"]) + 1 if old else 1
            obj["metadata"]["resourceVersion"] = str(version)
            self.informer(gvr).upserted(obj)


class DnsWorld:
    def __init__(self, fed: HandFed, component: ClusterDns, udp: int, tcp: int) -> None:
        self.fed = fed
        self.component = component
        self.udp, self.tcp = udp, tcp

    async def ask(self, name: str, kind: str = "A", *, tcp: bool = False, **more: Any) -> dns.message.Message:
        query = dns.message.make_query(name, kind, **more)
        over = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await over(query, "127.0.0.1", port=self.tcp if tcp else self.udp, timeout=10)

    async def data(self, name: str, kind: str = "A", **more: Any) -> list[str]:
        """All of the answer, as zone files write it."""
        answer = await self.ask(name, kind, **more)
        return sorted(data.to_text() for rrset in answer.answer for data in rrset)


@asynccontextmanager
async def dns_world(
    tmp_path: Path,
    services: Iterable[Obj] = (),
    slices: Iterable[Obj] = (),
    *,
    upstream_port: int = 53,
    clients: str = "10.244.0.0/16",
) -> AsyncIterator[DnsWorld]:
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 127.0.0.1\n" if upstream_port != 53 else "")
    fed = HandFed()
    fed.put(SERVICES, *services)
    fed.put(ENDPOINTSLICES, *slices)
    # The node's address is one of loopback that resolv.conf does not name: it would be taken for a loop.
    settings = Settings(
        {"node": Place("127.0.0.2")},
        (IPv4Network(clients),),
        resolv_conf=resolv_conf,
        resolvers_port=upstream_port,
    )
    component = ClusterDns(
        fed,
        SystemClock(),
        random.Random(1),
        settings,
        lambda _, netns: open_sockets("127.0.0.1", netns, 0),
    )
    assert component.open()
    udp, tcp = component._opened["node"].ports
    task = asyncio.ensure_future(component.run())
    try:
        yield DnsWorld(fed, component, udp, tcp)
    finally:
        task.cancel()
        await asyncio.wait([task])
