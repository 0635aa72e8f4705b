"""One API server in this process that answers request after request from ordinary functions, as hypothesis calls them.

The whole chain stands: HTTP, authentication, RBAC, every admission plugin, the engine; the store is in memory.
Time is virtual and stands still between requests. `alive()` tells whether the server still does its work.
"""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.auth.signing import TokenSigner
from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.composition import make_admission, make_cacher, resources_of
from apiserver.guard import rbac_guard
from apiserver.server import ApiServer, Parts
from client.inprocess import InProcessTransport
from machinery.virtual_loop import VirtualLoop

ADMIN = User("admin", ("system:masters", "system:authenticated"))
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Got:
    """An answer, and the processor time that the server took for it."""

    status: int
    body: bytes
    cpu_s: float

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def message(self) -> str:
        said = self.json.get("message", "")
        assert isinstance(said, str)
        return said


class NoNodes:
    """Nothing here reaches a node."""


class Served:
    def __init__(self) -> None:
        self._loop = VirtualLoop()
        clock, rng = self._loop.clock, random.Random(7)
        backend = MemoryBackend(clock)
        key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        guard = functools.partial(
            rbac_guard,
            signer=TokenSigner(key, "https://kubernetes.default.svc"),
            clock=clock,
            rng=rng,
            make_admission=make_admission,
        )
        self.server = ApiServer(
            Parts(
                backend,
                clock,
                rng,
                make_store=lambda resource: make_cacher(backend, resource, clock, rng),
                make_guard=guard,
                connector=NoNodes(),
                resources_of=resources_of,
            )
        )
        self.transport = InProcessTransport(self.server.app, ADMIN)
        self._running = self._loop.create_task(self.server.run())
        self._loop.run_until_complete(self.server.settled())
        account = {"metadata": {"name": "default"}}  # no controller makes it here
        self.ok("POST", "/api/v1/namespaces/default/serviceaccounts", account)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Pairs = (),
        *,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Got:
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        sent = {"accept": "application/json", "user-agent": "fuzz/1"}
        sent |= {"content-type": content_type} if raw else {}
        sent |= headers or {}
        before = time.process_time()
        answer = self.run(self.transport.request(method, path, query=list(query), body=raw, headers=sent))
        return Got(answer.status, answer.body, time.process_time() - before)

    def ok(self, method: str, path: str, body: Any = None, query: Pairs = (), **more: Any) -> Any:
        got = self.send(method, path, body, query, **more)
        assert got.status < 300, (method, path, got.status, got.body[:600])
        return got.json

    def run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    def wait(self, seconds: float) -> None:
        """Lets virtual time pass, as a definition takes until it is served."""
        self.run(asyncio.sleep(seconds))

    def alive(self) -> bool:
        return not self._running.done() and self.send("GET", "/api/v1/namespaces/default").status == 200

    def ended(self) -> BaseException | None:
        """What ended the server; None where it runs or was told to."""
        return self._running.exception() if self._running.done() else None

    def close(self) -> None:
        async def end() -> None:
            await self.transport.close()
            self._running.cancel()
            await asyncio.wait([self._running])

        self.run(end())
        self._loop.close()
