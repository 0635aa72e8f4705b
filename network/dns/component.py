"""The cluster's DNS on one or several nodes of this host.

    pod ── 10.96.0.10:53 ── the node's rules ── the node's address:10053 ── zone ──► answer
                                                                            └─ else ─► the machine's resolvers

Sockets are opened at the start, and that is all until the first question: then names are gathered and the library is
loaded. What a node's rules say comes from `offer`, which the service proxy asks.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client.informer import InformerFactory
from client.logs import get_logger
from machinery.clock import Clock
from machinery.gvk import ENDPOINTSLICES, SERVICES
from network.dns.figures import Cached, Collector, Figures
from network.dns.offer import SERVICE, plan_offer
from network.dns.sockets import Opened, open_sockets

if TYPE_CHECKING:
    from network.dns.forwarder import Forwarder
    from network.dns.server import Answering

Obj = dict[str, Any]
log = get_logger("network")
_RETRY_S = 5.0
Open = Callable[[str, Path | None], Opened]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node's questions arrive: an address of its own, in its network namespace (None: this one)."""

    address: str
    netns: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """`clients` are the networks that are answered; the nodes' own addresses are always."""

    places: Mapping[str, Place] = field(default_factory=dict)
    clients: tuple[IPv4Network, ...] = ()
    domain: str = "cluster.local"
    resolv_conf: Path = Path("/etc/resolv.conf")
    resolvers_port: int = 53


class ClusterDns:
    def __init__(
        self,
        informers: InformerFactory,
        clock: Clock,
        rng: random.Random,
        settings: Settings,
        open_at: Open = open_sockets,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._settings = settings
        self._open_at = open_at
        self._services = informers.informer(SERVICES)
        self._slices = informers.informer(ENDPOINTSLICES)
        self._opened: dict[str, Opened] = {}
        self._forwarder: Forwarder | None = None
        self._cached: Callable[[], Cached] = lambda: Cached(0, 0, 0)
        self.figures = Figures()

    def offer(self, node: str, services: Sequence[Obj], slices: Sequence[Obj]) -> list[Obj]:
        """What the node's rules have to know beyond what is stored."""
        opened = self._opened.get(node)
        if opened is None:
            return []
        return plan_offer(services, slices, self._settings.places[node].address, opened.ports)

    def open(self) -> bool:
        """Whether every node has its sockets now; which lacks them is logged."""
        for name, place in self._settings.places.items():
            if name not in self._opened:
                try:
                    self._opened[name] = self._open_at(place.address, place.netns)
                except OSError as error:
                    log.error("no DNS on a node", node=name, address=place.address, why=str(error))
        return len(self._opened) == len(self._settings.places)

    def trouble(self) -> str | None:
        """For /readyz."""
        lacking = sorted(self._settings.places.keys() - self._opened.keys())
        return f"no DNS on {', '.join(lacking)}" if lacking else None

    def collect(self) -> Iterator[Any]:
        """What client.health asks of a registry."""
        asked = dict(self._forwarder.asked) if self._forwarder else {}
        return Collector(self.figures, self._cached, lambda: asked).collect()

    async def run(self, on_change: Callable[[], None] = lambda: None) -> None:
        """Until cancelled. `on_change`: offers are others now."""
        try:
            while not self.open():
                await self._clock.sleep(_RETRY_S)
                on_change()
            on_change()
            await _first_question([sock for each in self._opened.values() for sock in (each.udp, each.tcp)])
            await self._services.wait_synced()
            await self._slices.wait_synced()
            await self._serve()
        finally:
            for each in self._opened.values():
                each.close()

    async def _serve(self) -> None:
        from network.dns.cache import Cache
        from network.dns.exchange import SocketExchange
        from network.dns.follow import ZoneKeeper
        from network.dns.forwarder import Forwarder
        from network.dns.records import cluster_addresses
        from network.dns.resolvers import Resolvers
        from network.dns.responder import Responder
        from network.dns.server import Answering
        from network.dns.zone import Zone

        settings = self._settings
        keeper = ZoneKeeper(Zone(settings.domain, int(self._clock.now())), self._services, self._slices)
        service = self._services.lister.get(*SERVICE)
        addresses = [place.address for place in settings.places.values()]
        cache = Cache()
        self._cached = lambda: Cached(cache.hits, cache.misses, len(cache))

        def on_change() -> None:
            cache.clear()
            forwarder.check_for_loop()

        own = (*addresses, *(cluster_addresses(service) if service else ()))
        resolvers = Resolvers(self._clock, own, settings.resolv_conf, on_change)
        forwarder = self._forwarder = Forwarder(
            resolvers,
            SocketExchange(self._rng, port=settings.resolvers_port),
            cache,
            self._clock,
            self._rng,
        )
        responder = Responder(keeper.current, forwarder.ask, self._rng)
        clients = (*settings.clients, IPv4Network("127.0.0.0/8"), *map(IPv4Network, addresses))
        async with asyncio.TaskGroup() as group:
            group.create_task(forwarder.run())
            answering = Answering(responder, self.figures, clients, group)
            for opened in self._opened.values():
                group.create_task(_answer(opened, answering))
        raise AssertionError("answering ends by cancellation only")


async def _answer(opened: Opened, answering: Answering) -> None:
    from network.dns.server import TcpServer, UdpServer

    loop = asyncio.get_running_loop()
    loop.add_reader(opened.udp.fileno(), UdpServer(answering, opened.udp).readable)
    tcp = TcpServer(answering)
    server = await asyncio.start_server(tcp.serve, sock=opened.tcp)
    try:
        await asyncio.Event().wait()
    finally:
        loop.remove_reader(opened.udp.fileno())
        server.close()
        tcp.close()


async def _first_question(sockets: Sequence[Any]) -> None:
    """Returns when one of the sockets has something to read, which stays there."""
    if not sockets:
        await asyncio.Event().wait()
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    for sock in sockets:
        loop.add_reader(sock.fileno(), arrived.set)
    try:
        await arrived.wait()
    finally:
        for sock in sockets:
            loop.remove_reader(sock.fileno())
