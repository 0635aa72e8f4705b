"""kctl's API server on a socket in this process: the whole chain with RBAC and every admission plugin, the store in memory."""

from __future__ import annotations

import asyncio
import functools
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from upstream_wire import Server

from apiserver.auth.chain import SecurityOptions
from apiserver.auth.seams import Credentials
from apiserver.auth.signing import TokenSigner
from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.composition import make_admission, make_cacher, resources_of
from apiserver.guard import rbac_guard
from apiserver.http.serve import Listener
from apiserver.server import ApiServer, Parts
from machinery.clock import SystemClock

TOKEN = "administrator"
ADMIN = User("admin", ("system:masters", "system:authenticated"))


class _OneToken:
    async def authenticate(self, credentials: Credentials) -> User | None:
        return ADMIN if credentials.bearer_token == TOKEN else None


class _NoNodes:
    """Nothing here reaches a node."""


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@asynccontextmanager
async def serving(certificates: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Over TLS where there are certificates; whoever comes need not check them."""
    clock, rng = SystemClock(), random.Random(7)
    backend = MemoryBackend(clock, after=10_000_000)
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    guard = functools.partial(
        rbac_guard,
        signer=TokenSigner(key, "https://kubernetes.default.svc"),
        clock=clock,
        rng=rng,
        make_admission=make_admission,
        options=SecurityOptions(last_authenticators=[_OneToken()]),
    )
    server = ApiServer(
        Parts(
            backend,
            clock,
            rng,
            make_store=lambda resource: make_cacher(backend, resource, clock, rng),
            make_guard=guard,
            connector=_NoNodes(),
            resources_of=resources_of,
        )
    )
    listener = Listener(server.app, [("127.0.0.1", 0)], certificates)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server.run())
        await server.settled()
        await listener.start()
        try:
            yield Server(listener.ports[0], TOKEN, unchecked() if certificates else None)
        finally:
            server.stop()
            await listener.stop(1.0)
            running.cancel()
