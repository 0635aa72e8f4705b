"""One question to one resolver, and its answer: over UDP from a port of its own, over TCP for what does not fit.

An answer counts that comes from the address asked, with the number and the question sent; anything else is passed over
and waited on. So somebody who cannot see the question has to guess number and port.
"""

from __future__ import annotations

import asyncio
import random
from typing import Protocol

import dns.name

from network.dns.message import Answer, read_reply, write_question


class NoReply(Exception):
    """The resolver did not answer; str() says why."""


class Exchange(Protocol):
    async def __call__(
        self, server: str, name: dns.name.Name, kind: int, *, dnssec: bool, unchecked: bool
    ) -> Answer:
        """Raises NoReply."""
        ...


class SocketExchange:
    def __init__(self, rng: random.Random, timeout_s: float = 2.0, *, port: int) -> None:
        self._rng = rng
        self._timeout_s = timeout_s
        self._port = port

    async def __call__(
        self, server: str, name: dns.name.Name, kind: int, *, dnssec: bool, unchecked: bool
    ) -> Answer:
        number = self._rng.getrandbits(16)
        wire = write_question(number, name, kind, dnssec=dnssec, unchecked=unchecked)
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await self._over_udp(server, wire, number, name, kind)
                if reply is None:
                    reply = await self._over_tcp(server, wire, number, name, kind)
                return reply
        except TimeoutError:
            raise NoReply(f"{server} did not answer within {self._timeout_s:g} s") from None
        except (OSError, asyncio.IncompleteReadError) as error:
            raise NoReply(f"{server}: {error}") from error

    async def _over_udp(
        self, server: str, wire: bytes, number: int, name: dns.name.Name, kind: int
    ) -> Answer | None:
        """None: what it has to say does not fit."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[bytes | OSError] = asyncio.Queue(16)
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Listener(arrived), remote_addr=(server, self._port)
        )
        try:
            transport.sendto(wire)
            while True:
                datagram = await arrived.get()
                if isinstance(datagram, OSError):
                    raise datagram
                reply = read_reply(datagram, number, name, kind)
                if reply is not None:
                    return None if reply.is_cut else reply.answer
        finally:
            transport.close()

    async def _over_tcp(
        self, server: str, wire: bytes, number: int, name: dns.name.Name, kind: int
    ) -> Answer:
        reader, writer = await asyncio.open_connection(server, self._port)
        try:
            writer.write(len(wire).to_bytes(2) + wire)
            length = int.from_bytes(await reader.readexactly(2))
            reply = read_reply(await reader.readexactly(length), number, name, kind)
            if reply is None:
                raise NoReply(f"{server} answered another question")
            return reply.answer
        finally:
            writer.close()


class _Listener(asyncio.DatagramProtocol):
    """Of one connected socket: what others send does not come here."""

    def __init__(self, arrived: asyncio.Queue[bytes | OSError]) -> None:
        self._arrived = arrived

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self._arrived.full():
            self._arrived.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError) and not self._arrived.full():
            self._arrived.put_nowait(exc)
