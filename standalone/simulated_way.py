"""The way from a simulated component to the API server: it takes a moment, as every way does.

Without that, a loop between components that disagree (one acts on what it last saw, another undoes it at once) would turn for ever at
one and the same moment of virtual time, and nothing that time mends could happen: a cache that catches up, a back-off that ends.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from client.transport import Query, Response, Stream, Transport
from machinery.clock import Clock

_LEAST_S, _MOST_S = 0.001, 0.002


class SimulatedWay:
    """A Transport before another: every request, and every stream when it is opened, is under way for 1 to 2 ms."""

    def __init__(self, transport: Transport, clock: Clock, rng: random.Random) -> None:
        self._transport = transport
        self._clock = clock
        self._rng = rng

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = 30.0,
    ) -> Response:
        await self._underway()
        return await self._transport.request(
            method, path, query=query, body=body, headers=headers, timeout_s=timeout_s
        )

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        idle_timeout_s: float | None = None,
    ) -> AsyncIterator[Stream]:
        await self._underway()
        async with self._transport.stream(
            method, path, query=query, body=body, headers=headers, idle_timeout_s=idle_timeout_s
        ) as stream:
            yield stream

    async def close(self) -> None:
        await self._transport.close()

    async def _underway(self) -> None:
        await self._clock.sleep(self._rng.uniform(_LEAST_S, _MOST_S))
