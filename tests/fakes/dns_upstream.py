"""A resolver to forward to, on loopback: answers as a table says, and counts who asked how."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rrset

Change = Callable[[dns.message.Message], dns.message.Message | None]


class Upstream:
    """`table`: name and kind → lines of data. `change` may spoil an answer, or keep it back (None)."""

    def __init__(
        self, table: dict[tuple[str, str], list[str]], change: Change = lambda answer: answer
    ) -> None:
        self.table = table
        self.change = change
        self.asked: list[tuple[str, str]] = []
        self.port = 0

    def _answer(self, wire: bytes, protocol: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((protocol, name))
        answer = dns.message.make_response(query, recursion_available=True)
        lines = self.table.get((name, kind))
        if lines is None:
            known = any(each == name for each, _ in self.table)
            answer.set_rcode(dns.rcode.NOERROR if known else dns.rcode.NXDOMAIN)
            soa = "ns.example. root.example. 1 7200 1800 86400 60"
            answer.authority.append(dns.rrset.from_text("example.", 60, "IN", "SOA", soa))
        else:
            answer.answer.append(dns.rrset.from_text(name, 300, "IN", kind, *lines))
        changed = self.change(answer)
        if changed is None:
            return None
        limit = 65535 if protocol == "tcp" else max(query.payload, 512)
        return changed.to_wire(max_size=limit, prefer_truncation=True)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2))
        wire = self._answer(await reader.readexactly(length), "tcp")
        if wire is not None:
            writer.write(len(wire).to_bytes(2) + wire)
            await writer.drain()
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Upstream]:
        upstream = self

        class Datagrams(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                wire = upstream._answer(data, "udp")
                if wire is not None:
                    self.transport.sendto(wire, addr)

        server = await asyncio.start_server(self._stream, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", self.port))
        try:
            yield self
        finally:
            transport.close()
            server.close()
