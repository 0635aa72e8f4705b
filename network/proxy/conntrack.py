"""Flows of datagrams that the kernel remembers outlive the rules that made them: who goes on sending from the same port
would be led to an endpoint that is gone, for as long as he sends. So those flows are forgotten.

`plan_stale` says which (pure), `forget` does it in a node's namespace, over the kernel's own netlink. Connections need
none of this: they break, and are made anew.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from network.namespaces import run_within
from network.proxy.plan import Endpoint, Forward

_NETFILTER = 12
_GET, _DELETE = 0x0101, 0x0102
_REQUEST, _DUMP, _ACK = 1, 0x300, 4
_ERROR, _DONE = 2, 3
_HEAD = struct.Struct("=IHHII")
_FAMILY = struct.pack("=BBH", socket.AF_INET, 0, 0)
_TUPLE_ORIG, _TUPLE_REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_SOURCE, _DESTINATION = 1, 2
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_NESTED = 0x8000
_BUFFER = 1 << 18
_TIMEOUT_S = 5.0


class Flow(NamedTuple):
    """Of datagrams: where they are sent, who answers, and what the kernel knows it by."""

    to: Endpoint
    answered_by: Endpoint
    key: bytes


def plan_stale(
    flows: Iterable[Flow],
    before: Sequence[Forward],
    now: Sequence[Forward],
    is_local: Callable[[str], bool],
) -> list[Flow]:
    """Those to a Service's port of before or now that none of its endpoints of now answers. `is_local`: whether an address
    is the node's own, where a Service's port may be; what passes through to other nodes is theirs to judge."""
    serving: dict[tuple[str, int], frozenset[Endpoint]] = {}
    for each in (*before, *now):
        if each.protocol == "udp":
            serving[each.address, each.port] = frozenset()
    for each in now:
        if each.protocol == "udp":
            serving[each.address, each.port] = frozenset(each.endpoints)
    found = []
    for flow in flows:
        ends = serving.get((flow.to.ip, flow.to.port))
        if ends is None and ("", flow.to.port) in serving and is_local(flow.to.ip):
            ends = serving["", flow.to.port]
        if ends is not None and flow.answered_by not in ends:
            found.append(flow)
    return found


def concerns(before: Sequence[Forward], now: Sequence[Forward]) -> bool:
    """Whether any flow can have become stale."""
    return {f for f in before if f.protocol == "udp"} != {f for f in now if f.protocol == "udp"}


async def forget(before: Sequence[Forward], now: Sequence[Forward], netns: Path | None) -> int:
    """How many flows were stale. Raises OSError."""

    def work() -> int:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER) as sock:
            sock.settimeout(_TIMEOUT_S)
            sock.bind((0, 0))
            stale = plan_stale(_flows(sock), before, now, is_local)
            for flow in stale:
                _delete(sock, flow)
            return len(stale)

    return await asyncio.to_thread(run_within, netns, work)


def parse_flow(message: bytes) -> Flow | None:
    """From what stands behind the family; None for other protocols."""
    tuples = dict(_attributes(message))
    if _TUPLE_ORIG not in tuples or _TUPLE_REPLY not in tuples:
        return None
    key = tuples[_TUPLE_ORIG]
    sent, answered = _ends(key), _ends(tuples[_TUPLE_REPLY])
    return Flow(sent[1], answered[0], key) if sent and answered else None


def is_local(address: str) -> bool:
    """Of the namespace that the calling thread is in: only its own addresses can be had."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError:
            return False
    return True


def _flows(sock: socket.socket) -> list[Flow]:
    sock.send(_HEAD.pack(_HEAD.size + len(_FAMILY), _GET, _REQUEST | _DUMP, 1, 0) + _FAMILY)
    found = []
    for kind, body in _messages(sock):
        if kind == _DONE:
            break
        if kind == _ERROR:
            _raise_error(body)
        flow = parse_flow(body[len(_FAMILY) :])
        if flow is not None:
            found.append(flow)
    return found


def _delete(sock: socket.socket, flow: Flow) -> None:
    """One that ended by itself meanwhile is as good as deleted."""
    attribute = struct.pack("=HH", 4 + len(flow.key), _TUPLE_ORIG | _NESTED) + flow.key
    body = _FAMILY + attribute
    sock.send(_HEAD.pack(_HEAD.size + len(body), _DELETE, _REQUEST | _ACK, 2, 0) + body)
    kind, answer = next(_messages(sock))
    if kind == _ERROR:
        _raise_error(answer, but=2)


def _messages(sock: socket.socket) -> Iterator[tuple[int, bytes]]:
    while True:
        data, offset = sock.recv(_BUFFER), 0
        while offset + _HEAD.size <= len(data):
            length, kind, *_ = _HEAD.unpack_from(data, offset)
            yield kind, data[offset + _HEAD.size : offset + length]
            offset += (length + 3) & ~3


def _raise_error(body: bytes, but: int = 0) -> None:
    code = -struct.unpack_from("=i", body)[0]
    if code not in (0, but):
        raise OSError(code, "the kernel's table of flows")


def _ends(attributes: bytes) -> tuple[Endpoint, Endpoint] | None:
    """(source, destination) of datagrams."""
    parts = dict(_attributes(attributes))
    addresses = dict(_attributes(parts.get(_TUPLE_IP, b"")))
    protocol = dict(_attributes(parts.get(_TUPLE_PROTO, b"")))
    if protocol.get(_NUMBER, b"\0")[0] != socket.IPPROTO_UDP:
        return None
    try:
        source = Endpoint(socket.inet_ntoa(addresses[_SOURCE]), int.from_bytes(protocol[_SOURCE_PORT]))
        to = Endpoint(socket.inet_ntoa(addresses[_DESTINATION]), int.from_bytes(protocol[_DESTINATION_PORT]))
    except KeyError:
        return None
    return source, to


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4 or offset + length > len(data):
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
