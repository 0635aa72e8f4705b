"""An API server on a socket, with a pod and a node whose server listens on loopback: what the proxies are tried on."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

from open_guard import open_guard

from apiserver.auth.chain import ALLOWED, Decision
from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.composition import make_cacher, resources_of
from apiserver.http.serve import Listener
from apiserver.node_tls import TlsNodeConnector
from apiserver.server import ApiServer, Parts
from client.client import Client
from client.inprocess import InProcessTransport
from machinery.clock import SystemClock
from machinery.gvk import NODES, PODS

ADMIN = User("admin", ("system:masters",))
PROXY = "/api/v1/namespaces/default/pods/p/proxy"


class ByToken:
    """`secret` is the administrator's; the rest need none."""

    async def authenticate(self, credentials):
        if credentials.bearer_token not in ("", "secret"):
            return None
        return ADMIN if credentials.bearer_token else User("nobody")


class Recording:
    """Lets pass and remembers (user, verb, resource, subresource); `refused` verbs are not."""

    def __init__(self):
        self.asked = []
        self.refused = set()

    def authorize(self, attributes):
        asked = (attributes.user.name, attributes.verb, attributes.resource, attributes.subresource)
        self.asked.append(asked)
        return ALLOWED if attributes.verb not in self.refused else Decision(False)


@asynccontextmanager
async def cluster(port):
    """An API server whose pod `p` listens on `port` of loopback: (address, authorizer)."""
    clock, rng, authorizer = SystemClock(), random.Random(3), Recording()
    backend = MemoryBackend(clock)

    def guard(engine):
        made = open_guard(engine)
        made.authenticators, made.authorizer = [*made.authenticators, ByToken()], authorizer
        return made

    server = ApiServer(
        Parts(
            backend,
            clock,
            rng,
            make_store=lambda resource: make_cacher(backend, resource, clock, rng),
            make_guard=guard,
            connector=TlsNodeConnector(None),
            resources_of=resources_of,
        )
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server.run())
        await server.ready()
        listener = Listener(server.app, [("127.0.0.1", 0)], tunnels=server.tunnels)
        await listener.start()
        client = Client(InProcessTransport(server.app, ADMIN))
        ports = [{"containerPort": port}]
        spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "x", "ports": ports}]}
        await client.create(PODS, {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
        status = {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}], "phase": "Running"}
        await client.patch(PODS, "p", {"status": status}, subresource="status", namespace="default")
        await client.create(NODES, {"metadata": {"name": "n1"}})
        node = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        await client.patch(NODES, "n1", {"status": node}, subresource="status")
        authorizer.asked.clear()
        try:
            yield f"127.0.0.1:{listener.ports[0]}", authorizer
        finally:
            server.stop()
            await listener.stop(1)
            running.cancel()
