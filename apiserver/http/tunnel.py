"""A client's connection after an upgrade: its bytes as they are, both ways, over the ASGI exchange that asked for it.

Opened by an answer of 101 (apiserver/http/exchange.py). Reading waits for the client, writing for its socket, and what
is not read holds the client back: nothing is gathered here. Either side may leave at any moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from apiserver.http.reply import Header, Receive, Send
from apiserver.http.watch_stream import Streams

IDLE_S = 4 * 3600.0  # without a byte either way; a kubelet's bound on streaming connections
_CLOSING_S = 30.0


class Tunnel:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._sending = asyncio.Lock()
        self.idle: asyncio.Timeout | None = None  # pushed back by every byte

    async def open(self, protocol: bytes, headers: Sequence[Header]) -> None:
        """Tell the client that its upgrade is taken."""
        told = [(b"upgrade", protocol), *headers]
        await self._send({"type": "http.response.start", "status": 101, "headers": told})

    async def pieces(self) -> AsyncIterator[bytes]:
        """What the client sends, until it leaves. For one task."""
        while (message := await self._receive())["type"] == "http.request":
            self._stir()
            if message["body"]:
                yield message["body"]

    async def write(self, data: bytes) -> None:
        """For any task; returns when the client's socket takes more."""
        async with self._sending:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self._stir()

    async def close(self) -> None:
        """Once the client has taken what was written; one that takes nothing is cut off with the end of its request."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S):
                await self._send({"type": "http.response.body", "body": b""})

    def _stir(self) -> None:
        if self.idle is not None and not self.idle.expired():
            self.idle.reschedule(asyncio.get_running_loop().time() + IDLE_S)


async def until_one_ends(
    streams: Streams, *ways: Coroutine[Any, Any, None], tunnel: Tunnel | None = None
) -> None:
    """Run both ways of a relay until one of them ends, the server stops, or `tunnel` has been idle for too long."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(way) for way in ways]
    try:
        # Apart, since a byte that passes in the moment of a stop pushes back the one and not the other.
        async with (
            asyncio.timeout(None) as scope,
            asyncio.timeout(None if tunnel is None else IDLE_S) as idle,
        ):
            if tunnel is not None:
                tunnel.idle = idle
            streams.add(scope)
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                streams.discard(scope)
                for task in tasks:
                    task.cancel()
                for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                    # Either side may leave at any moment.
                    if isinstance(outcome, Exception) and not isinstance(outcome, OSError | RuntimeError):
                        raise outcome
    except TimeoutError:  # the server stops, or nothing moves
        return
