"""One API server put together from parts: the same in a process of its own and inside a simulated cluster.

    server = ApiServer(Parts(backend=..., clock=..., rng=..., ...))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server.run())
        await server.ready()          # every built-in is served, the basics exist
        ...                           # server.app is an ASGI application
        server.stop()                 # open watches end; then cancel `running`

Everything with a choice (backend, who authenticates and authorizes, the way to nodes, audit) comes in through Parts.
Order of start: stores → guard → Services' numbers → custom resources → the built-in policy and objects, this server's presence →
flow control, API services → ready. Until then every answer is 503.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api import registry
from api.core.v1.masterlease import MASTERLEASE
from api.resource import Obj, Resource
from apiserver.actions import actions_of
from apiserver.admission.admission import Closable
from apiserver.admission.lookup import lookup_in
from apiserver.aggregation.availability import Availability
from apiserver.aggregation.local import LocalServices
from apiserver.aggregation.proxy import RemoteProxy
from apiserver.aggregation.reach import FrontProxy, Reach, authentication_data
from apiserver.aggregation.remote import Remotes
from apiserver.apart import Apart
from apiserver.backends.backend import Backend
from apiserver.background import Background, Work
from apiserver.engine.bootstrap import PERIOD_S, ensure_basics
from apiserver.engine.catalog import Catalog
from apiserver.engine.conversion import BuiltInForm, Conversions
from apiserver.engine.crds import CustomResources, ResourcesOf
from apiserver.engine.engine import Engine
from apiserver.engine.keeping import every, keep
from apiserver.engine.number_repair import GRACE_S, CIDRHook, NumberRepair
from apiserver.engine.presence import Presence
from apiserver.engine.services import ServiceNumbers
from apiserver.engine.stores import MakeStore, Stores
from apiserver.figures import tell_figures
from apiserver.flowcontrol.flow import SERVER_SEATS, FlowControl
from apiserver.flowcontrol.seats import CatalogSizes
from apiserver.flowcontrol.upkeep import Upkeep
from apiserver.guard import Guard, MakeGuard
from apiserver.http.app import App
from apiserver.http.audit import Audit, NoAudit
from apiserver.http.connect import Connectors
from apiserver.http.discovery import Discovery
from apiserver.http.extra import Extra
from apiserver.http.health import Check, Health, ping
from apiserver.http.identify import Identity
from apiserver.http.metrics import Metrics
from apiserver.http.openapi import OpenApi
from apiserver.http.paths import OPEN_PATHS, Paths
from apiserver.http.proxy import Proxy
from apiserver.http.reply import Receive, Reply, Scope, Send, text_reply
from apiserver.http.resources import Resources
from apiserver.http.watch_stream import Streams
from apiserver.http.watching import Watching
from apiserver.nodeconnector import NodeConnector
from apiserver.peers import follow_peers
from apiserver.storage.extract import extractor
from apiserver.storage.follow import Follower
from apiserver.storage.view import View
from apiserver.webhook_client import Connect, WebhookClient, connect, endpoints_in
from machinery.clock import Clock

if TYPE_CHECKING:
    pass

CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")


@dataclass(slots=True)
class Parts:
    backend: Backend
    clock: Clock
    rng: random.Random
    make_store: MakeStore
    make_guard: MakeGuard
    connector: NodeConnector
    resources_of: ResourcesOf
    resources: Sequence[Resource] = ()  # () takes the registry's
    audit: Audit = field(default_factory=NoAudit)
    apart: Apart | None = None  # where large bodies are worked on
    connect: Connect = connect  # to webhooks that objects name
    service_cidr: str = "10.96.0.0/16"
    cluster_dns: str = ""  # the address of the DNS's Service; "" makes none
    advertise: Sequence[str] = ("127.0.0.1",)
    port: int = 6443
    seats: int = SERVER_SEATS
    identity: str = (
        "localhost"  # HOSTNAME, or HOSTNAME/WHICH: the same at every start, another for each server
    )
    client_ca: str = ""  # of client certificates, in PEM; told to extension API servers
    front_proxy: FrontProxy | None = None  # how this server is known to extension API servers
    ready_checks: Mapping[str, Check] = field(default_factory=dict)  # of /readyz, beside the server's own


class ApiServer:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._network = ipaddress.ip_network(parts.service_cidr)
        self.catalog = Catalog()
        self.stores = Stores(parts.make_store)
        self.streams = Streams()
        self.background = Background(parts.clock, parts.rng)
        self.metrics = Metrics(self._is_counted)
        self.engine = Engine(self.catalog, parts.clock, parts.rng, apart=parts.apart)
        self._numbers = ServiceNumbers(self._network, parts.rng, parts.clock, self.engine.new_uid)
        self._remotes = Remotes(self.catalog)
        self.flow = FlowControl(parts.clock, CatalogSizes(self.catalog), seats=parts.seats)
        self._webhooks = WebhookClient(self._endpoints, parts.rng, parts.connect)
        self.engine.webhooks = self._webhooks
        self.engine.conversions = Conversions(self._webhooks.call, self.engine.new_uid)
        self._customs = CustomResources(self.engine, self.stores, parts.resources_of)
        self.engine.hooks = {
            ("", "services"): self._numbers,
            ("networking.k8s.io", "servicecidrs"): CIDRHook(),
            CRDS: self._customs,
        }
        tell_figures(
            self.metrics,
            backend=parts.backend,
            stores=self.stores,
            background=self.background,
            flow=self.flow,
            remotes=self._remotes,
            streams=self.streams,
        )
        self._ready = asyncio.Event()
        self._app: App | None = None
        self._presence: Presence | None = None
        self._settling: Sequence[asyncio.Event] = ()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application, from the first moment on."""
        if self._app is None:
            await _not_yet(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def tunnels(self, path: str) -> bool:
        """Whether websockets to `path` are somebody else's, and passed on unread."""
        return self._app is not None and self._app.tunnels(path)

    async def ready(self) -> None:
        await self._ready.wait()

    async def settled(self) -> None:
        """Ready, and everything that the server makes for itself beside its first requests has been made once."""
        await self._ready.wait()
        for event in self._settling:
            await event.wait()

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    async def leave(self) -> None:
        """Before a stop: other servers' clients are no longer sent here."""
        if self._presence is not None:
            await self._presence.leave()

    def stop(self) -> None:
        """End every open watch and log, so that connections can drain."""
        self.streams.stop()

    async def run(self) -> None:
        """Serves until cancelled. The backend is started and closed here."""
        backend = self._parts.backend
        await backend.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.stores.run(), name="stores")
                group.create_task(backend.failed(), name="backend")
                await self._start(group)
                await asyncio.Event().wait()
        finally:
            self.stop()
            for plugin in self.engine.admission:
                if isinstance(plugin, Closable):
                    await plugin.close()
            await self._webhooks.close()
            await backend.close()

    async def _start(self, group: asyncio.TaskGroup) -> None:
        parts, engine = self._parts, self.engine
        resources = list(parts.resources) or registry.load()
        await self.stores.open_all(resources)
        for resource in resources:
            store, base = await self.stores.open(resource)
            if resource is not base and resource.from_storage is not None:
                extract = extractor(resource.selectable_fields, namespaced=resource.namespaced)
                store = View(store, BuiltInForm(resource), extract)
            self.catalog.add(resource, store, base)
        guard = parts.make_guard(engine)
        engine.admission = guard.admission
        group.create_task(_runs(guard.run), name="guard")
        beside = self._beside(group)
        for name, work in guard.beside.items():
            beside(name, work)
        beside("custom resources", self._customs.run)
        repair = await self._attach_numbers()
        await self._customs.load(await self._stored(*CRDS))
        definitions = self.catalog.find(*CRDS)
        if parts.backend.shared and definitions is not None:
            peers = follow_peers(definitions.store, self._customs, parts.clock)
            group.create_task(peers, name="peers")
        await guard.prepare()
        basics = functools.partial(
            ensure_basics,
            engine,
            service_cidr=self._network,
            port=443,
            public_port=parts.port,
            dns_address=parts.cluster_dns,
            authentication=authentication_data(parts.client_ca, parts.front_proxy),
        )
        leases, _ = await self.stores.open(MASTERLEASE)
        self._presence = Presence(engine, leases, parts.advertise, parts.port, parts.identity)
        await basics()
        await self._presence.reconcile()
        beside("basics", lambda: keep("what every cluster has", every(PERIOD_S, basics), retry_s=PERIOD_S))
        beside("presence", self._presence.run)
        beside("flow control", self.flow.run)
        upkeep = Upkeep(engine, self.flow, parts.clock)
        beside("flow control's configuration", upkeep.run)
        self._settling = [upkeep.settled]
        if repair is not None:
            beside("services' numbers", repair.run)
            self._settling = [upkeep.settled, repair.settled]
        reach = self._aggregate(beside)
        self._app = self._compose(guard, RemoteProxy(self._remotes, reach, self.streams))
        self._ready.set()

    async def _endpoints(self, namespace: str, name: str) -> tuple[Obj | None, Sequence[Obj]]:
        services = self.catalog.find("", "services")
        slices = self.catalog.find("discovery.k8s.io", "endpointslices")
        if services is None or slices is None:
            return None, ()
        return await endpoints_in(lookup_in(services.store), slices.store)(namespace, name)

    async def _stored(self, group: str, plural: str) -> list[Obj]:
        served = self.catalog.find(group, plural)
        if served is None:
            return []
        return [served.load(entry) for entry in (await served.store.list()).entries]

    async def _attach_numbers(self) -> NumberRepair | None:
        """Services' addresses and ports, in step with the Services that are stored."""
        from api.core.v1.rangeallocation import RANGEALLOCATION
        from api.networking.v1.ipaddress import IPADDRESS
        from api.networking.v1.servicecidr import SERVICECIDR

        parts, numbers = self._parts, self._numbers
        addresses, _ = await self.stores.open(IPADDRESS)
        cidrs, _ = await self.stores.open(SERVICECIDR)
        ranges, _ = await self.stores.open(RANGEALLOCATION)
        numbers.addresses.attach(addresses, cidrs)
        numbers.ports.attach(ranges)
        services = self.catalog.find("", "services")
        if services is None:
            return None
        repair = NumberRepair(self.engine, services.store, cidrs, numbers, parts.clock)
        # Where others share the store, one of them may be about to store the Service of an address.
        await repair.repair(GRACE_S if parts.backend.shared else 0.0)
        return repair

    def _beside(self, group: asyncio.TaskGroup) -> Callable[[str, Work], None]:
        """Starts what may fail and be started again, while answers go on (`background.py`)."""

        def start(name: str, work: Work) -> None:
            group.create_task(self.background.keep(name, work), name=name)

        return start

    def _aggregate(self, beside: Callable[[str, Work], None]) -> Reach:
        """Follows the APIServices, where they are served, and keeps their objects."""
        parts, engine = self._parts, self.engine
        reach = Reach(self._endpoints, parts.rng, parts.front_proxy)
        registered = engine.catalog.find("apiregistration.k8s.io", "apiservices")
        if registered is None:
            return reach
        follower = Follower(registered.store, self._remotes.on_change)
        own = LocalServices(engine, self._remotes)
        checks = Availability(engine, self._remotes, reach, parts.clock)

        def once_synced(work: Work) -> Work:
            async def run() -> None:
                await follower.synced.wait()
                await work()

            return run

        beside("API services", follower.run)
        beside("own API services", once_synced(own.run))
        beside("checks of API services", once_synced(checks.run))
        self._settling = [*self._settling, own.settled]
        return reach

    def _compose(self, guard: Guard, remote: RemoteProxy) -> App:
        """What a request goes through, outermost first."""
        parts, engine = self._parts, self.engine
        resources = Resources(engine, *actions_of(guard))
        connectors = Connectors(engine, parts.connector, self.streams, guard.authorizer)
        proxy = Proxy(self.catalog, parts.connector, self.streams, parts.rng)
        address = parts.advertise[0]
        host = f"[{address}]" if ":" in address else address
        paths = Paths(
            Discovery(self.catalog, f"{host}:{parts.port}", self._remotes),
            Health({"ping": ping, "log": ping}, self._ready_checks()),
            self.metrics,
            OpenApi(self.catalog, self._remotes).reply,
            guard.keys,
            [self._dump],
        )
        return App(
            resources=resources,
            identify=Identity(guard.authenticators, guard.anonymity),
            authorizer=guard.authorizer,
            clock=parts.clock,
            rng=parts.rng,
            audit=parts.audit,
            counts=self.metrics.requests,
            paths=[paths.handle],
            watch=Watching(engine, resources, self.streams, parts.rng),
            connectors={
                ("pods", "log"): connectors.log,
                ("pods", "exec"): connectors.upgrade,
                ("pods", "attach"): connectors.upgrade,
                ("pods", "portforward"): connectors.upgrade,
                ("pods", "proxy"): proxy,
                ("services", "proxy"): proxy,
                ("nodes", "proxy"): proxy,
            },
            websocket=connectors.websocket,
            flow=self.flow,
            remote=remote,
            open_paths=OPEN_PATHS,
            extra=Extra(parts.backend, self.catalog, guard.authorizer),
        )

    def _is_counted(self, group: str, version: str, resource: str, subresource: str) -> bool:
        """Whether requests for it are counted under its own name."""
        served = self.catalog.get(group, version, resource)
        if served is not None:
            return not subresource or subresource in served.resource.subresources
        remote = self._remotes.get(group, version)
        name = f"{resource}/{subresource}" if subresource else resource
        return remote is not None and any(each["name"] == name for each in remote.resources)

    def _dump(self, path: str) -> Reply | None:
        from apiserver.flowcontrol.report import dump

        text = dump(self.flow, path)
        return None if text is None else text_reply(text)

    def _ready_checks(self) -> dict[str, Check]:
        backend = self._parts.backend

        async def etcd() -> str | None:
            await backend.revision()
            return None

        async def started() -> str | None:
            return None if self._ready.is_set() else "not yet"

        return {
            "etcd": etcd,
            "poststarthook/bootstrap": started,
            "informer-sync": ping,
            **self._parts.ready_checks,
        }


async def _runs(runner: Callable[[], Awaitable[None]]) -> None:
    await runner()


async def _not_yet(scope: Scope, receive: Receive, send: Send) -> None:
    """Alive, but not ready: health says so, everything else is asked to come back."""
    from apiserver.http.reply import error_reply, send_reply, text_reply
    from machinery.errors import ServiceUnavailable

    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1013})
        return
    if scope["path"] == "/livez":
        await send_reply(send, text_reply("ok"), [])
        return
    await send_reply(send, error_reply(ServiceUnavailable("the server is starting", retry_after_s=1)), [])
