"""Datagrams and connections in, answers out: with bounds on everything a client can make grow.

What the zone knows is answered within the packet's own event, so a queue never forms; what others must be asked for
is a task, and of those there are `MOST_WAITING` at a time, and few enough of one client that others' are asked too. Only addresses of the cluster are answered: to all others this
server does not exist, so nobody can have it send answers to a third party.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Network, ip_address

import dns.rcode
import dns.rdatatype

from client.logs import get_logger
from network.dns import message
from network.dns.figures import Figures
from network.dns.message import Answer, Query, Unanswerable
from network.dns.ready import ReadyAnswers
from network.dns.responder import Responder

log = get_logger("network")
MOST_WAITING = 1024
MOST_WAITING_OF_ONE = 64  # questions of one client: a quarter of what others are asked at a time
MOST_CONNECTIONS = 128
MOST_OF_ONE = 16  # connections of one client
IDLE_S = 10.0
_AT_A_TIME = 32
_LONGEST = 4096  # of a question; what is behind that is cut off, and refused
Clients = tuple[IPv4Network, ...]


class Answering:
    """What both kinds of sockets share. `group` holds the tasks that wait for others' answers."""

    def __init__(
        self, responder: Responder, figures: Figures, clients: Clients, group: asyncio.TaskGroup
    ) -> None:
        self.responder = responder
        self.figures = figures
        self.group = group
        self._waiting: Counter[str] = Counter()  # questions, by client
        self._waiting_in_all = 0
        self._clients = clients
        self._known: dict[str, bool] = {}
        self._ready = ReadyAnswers()

    def is_client(self, address: str) -> bool:
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= 4096:
                self._known.clear()
            known = self._known[address] = any(ip_address(address) in each for each in self._clients)
        return known

    def begin_waiting(self, client: str) -> bool:
        """Whether one more of its questions may wait for others' answers: then `end_waiting` must follow."""
        if self._waiting_in_all >= MOST_WAITING or self._waiting[client] >= MOST_WAITING_OF_ONE:
            return False
        self._waiting_in_all += 1
        self._waiting[client] += 1
        return True

    def end_waiting(self, client: str) -> None:
        self._waiting_in_all -= 1
        self._waiting[client] -= 1
        if not self._waiting[client]:
            del self._waiting[client]

    def read(self, wire: bytes, protocol: str) -> Query | None:
        try:
            query = message.read_query(wire)
        except Unanswerable:
            self.figures.drop("no question")
            return None
        self.figures.asked(protocol, _kind(query))
        return query

    def given_before(self, wire: bytes) -> bytes | None:
        """The answer to a datagram, where nothing has changed since."""
        ready = self._ready.get(wire, self.responder.version)
        if ready is None:
            return None
        self.figures.asked("udp", ready.kind)
        self.figures.answered(ready.rcode)
        return wire[:2] + ready.rest

    def at_once(self, wire: bytes, query: Query) -> bytes | None:
        """A datagram's answer, where nobody else has to be asked."""
        if query.rcode:
            return self.write(query, Answer(query.rcode), query.limit)
        answer = self.responder.at_once(query)
        if answer is None:
            return None
        made = self.write(query, answer, query.limit)
        if all(len(rrset) == 1 for rrset in answer.answer):  # else their order changes
            rcode = dns.rcode.to_text(answer.rcode)
            self._ready.put(wire, made, self.responder.version, _kind(query), rcode)
        return made

    def write(self, query: Query, answer: Answer, limit: int) -> bytes:
        self.figures.answered(dns.rcode.to_text(answer.rcode))
        return message.write_answer(query, answer, limit)


def _kind(query: Query) -> str:
    """As a label: strangers must not make up new ones."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(query.kind)) if query.kind <= 255 else "other"


class UdpServer:
    """On a socket that does not block. An answer that the kernel has no room for is lost, as datagrams may be."""

    def __init__(self, answering: Answering, sock: socket.socket) -> None:
        self._answering = answering
        self._sock = sock

    def readable(self) -> None:
        """Takes what has arrived, but not so much that others on the loop have to wait."""
        for _ in range(_AT_A_TIME):
            try:
                data, client = self._sock.recvfrom(_LONGEST)
            except BlockingIOError:
                return
            except OSError:  # what an earlier answer met: its client is gone
                self._answering.figures.drop("client is gone")
                continue
            if not self._answering.is_client(client[0]):
                self._answering.figures.drop("stranger")
                continue
            try:
                self._answer(data, client)
            except Exception:  # whatever a packet holds must not stop the answers to others
                log.exception("a question could not be answered", client=client[0])
                self._answering.figures.drop("failed")

    def _answer(self, data: bytes, client: tuple[str, int]) -> None:
        shared = self._answering
        known = shared.given_before(data)
        if known is not None:
            self._send(known, client)
            return
        query = shared.read(data, "udp")
        if query is None:
            return
        answer = shared.at_once(data, query)
        if answer is not None:
            self._send(answer, client)
        elif shared.begin_waiting(client[0]):
            task = shared.group.create_task(self._later(query, client))
            task.add_done_callback(lambda _: shared.end_waiting(client[0]))
        else:
            shared.figures.drop("too many wait")
            self._send(shared.write(query, Answer(dns.rcode.SERVFAIL), query.limit), client)

    async def _later(self, query: Query, client: tuple[str, int]) -> None:
        try:
            answer = await self._answering.responder.answer(query)
            self._send(self._answering.write(query, answer, query.limit), client)
        except Exception:  # as above
            log.exception("a question could not be answered", client=client[0])
            self._answering.figures.drop("failed")

    def _send(self, wire: bytes, client: tuple[str, int]) -> None:
        try:
            self._sock.sendto(wire, client)
        except OSError:
            self._answering.figures.drop("socket is full")


class TcpServer:
    """`serve` is what asyncio calls for every connection."""

    def __init__(
        self, answering: Answering, timeout: Callable[[float], asyncio.Timeout] = asyncio.timeout
    ) -> None:
        self._answering = answering
        self._timeout = timeout
        self._writers: set[asyncio.StreamWriter] = set()
        self._idle: dict[asyncio.StreamWriter, None] = {}  # whose next question is awaited, the longest first
        self._of: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = str((writer.get_extra_info("peername") or ("0.0.0.0",))[0])
        if not self._admits(client):
            writer.close()
            return
        self._writers.add(writer)
        self._of[client] += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the client left, or never asked
        except Exception:
            log.exception("a question could not be answered", client=client)
            self._answering.figures.drop("failed")
        finally:
            self._writers.discard(writer)
            self._of -= Counter({client: 1})
            writer.close()

    def close(self) -> None:
        for writer in list(self._writers):
            writer.close()

    def _admits(self, client: str) -> bool:
        figures = self._answering.figures
        if not self._answering.is_client(client):
            figures.drop("stranger")
            return False
        if self._of[client] >= MOST_OF_ONE or not self._has_room():
            figures.drop("too many connections")
            return False
        return True

    def _has_room(self) -> bool:
        """Where there is none, who has kept silent the longest makes some."""
        if len(self._writers) < MOST_CONNECTIONS:
            return True
        longest = next(iter(self._idle), None)
        if longest is None:
            return False
        del self._idle[longest]
        longest.close()
        return True

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may go on."""
        self._idle[writer] = None
        try:
            async with self._timeout(IDLE_S):
                length = int.from_bytes(await reader.readexactly(2))
                wire = await reader.readexactly(length)
        finally:
            self._idle.pop(writer, None)
        shared = self._answering
        query = shared.read(wire, "tcp")
        if query is None:
            return False
        answer = Answer(query.rcode) if query.rcode else shared.responder.at_once(query)
        if answer is None:
            answer = await shared.responder.answer(query)
        wire = shared.write(query, answer, message.TCP_BYTES)
        async with self._timeout(IDLE_S):
            writer.write(len(wire).to_bytes(2) + wire)
            await writer.drain()
        return True
