"""An API server in this process: memory backend, virtual time, in-process transport, everybody allowed everything; an etcd of a test's own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from etcd_server import EtcdServer
from open_guard import open_guard

from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.composition import make_cacher, resources_of
from apiserver.engine.engine import Engine
from apiserver.guard import Guard
from apiserver.server import ApiServer, Parts
from apiserver.webhook_client import Connect, connect
from client.client import Client
from client.inprocess import InProcessTransport
from client.transport import Response
from machinery import virtual_loop
from machinery.clock import LoopClock

ADMIN = User("admin", ("system:masters",))


class NoNodes:
    """For tests that never reach a node."""


@dataclass
class Api:
    """What a test works with. `send` is one raw request."""

    server: ApiServer
    client: Client
    transport: InProcessTransport
    clock: LoopClock

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        import orjson

        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        sent = {"accept": accept, "user-agent": "tester/1", **(headers or {})}
        if raw:
            sent["content-type"] = content_type
        return await self.transport.request(
            method, path, query=list((query or {}).items()), body=raw, headers=sent
        )


RunApi = Callable[..., None]


@pytest.fixture
def run_api() -> RunApi:
    def run(
        body: Callable[[Api], Awaitable[None]],
        *,
        connector: Any = None,
        guard: Callable[[Engine], Guard] = open_guard,
        user: User = ADMIN,
        connect: Connect = connect,
        cluster_dns: str = "",
    ) -> None:
        async def main(clock: LoopClock) -> None:
            rng = random.Random(7)
            backend = MemoryBackend(clock)
            server = ApiServer(
                Parts(
                    backend,
                    clock,
                    rng,
                    make_store=lambda resource: make_cacher(backend, resource, clock, rng),
                    make_guard=guard,
                    connector=connector or NoNodes(),
                    resources_of=resources_of,
                    connect=connect,
                    cluster_dns=cluster_dns,
                )
            )
            async with asyncio.TaskGroup() as group:
                running = group.create_task(server.run())
                await server.settled()
                transport = InProcessTransport(server.app, user)
                await body(Api(server, Client(transport, user_agent="tester/1"), transport, clock))
                await transport.close()
                running.cancel()

        virtual_loop.run(main)

    return run


@pytest.fixture
def own_etcd() -> Iterator[EtcdServer]:
    """An etcd of the test's own, to be stopped, stalled and killed."""
    server = EtcdServer().start()
    yield server
    server.remove()
