"""Routes, links and addresses by raw netlink, batched: many requests in one send, all answers in one read.

A `Netlink` belongs to the network namespace it was opened in for its whole life, so one kept from inside
a pod's namespace configures that pod without entering it again.

Message builders are pure and give bytes; `Netlink.send` applies a batch. A refusal is an OSError that
names the request. Source: rtnetlink(7), uapi/linux/if_link.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_NEWROUTE = 20, 24
NLM_REQUEST, NLM_ACK, NLM_ROOT_MATCH = 1, 4, 0x300
NLM_CREATE, NLM_EXCL = 0x400, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
IFF_UP = 1
AF_BRIDGE = 7
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_LINKINFO = 1, 3, 4, 10, 18
IFLA_PROTINFO, IFLA_NET_NS_FD, IFLA_TXQLEN = 12, 28, 13
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFLA_BRPORT_MODE, IFLA_BRPORT_ISOLATED = 4, 33
NLA_F_NESTED = 0x8000


class Request:
    """One message without its sequence number."""

    __slots__ = ("body", "flags", "kind", "tolerate", "what")

    def __init__(self, what: str, kind: int, flags: int, body: bytes, tolerate: Sequence[int] = ()) -> None:
        self.what = what
        self.kind = kind
        self.flags = flags
        self.body = body
        self.tolerate = tolerate  # errno values that are as good as done


def add_veth(
    name: str, peer: str, peer_netns_fd: int, mac: bytes, peer_mac: bytes, *, master: int = 0, mtu: int = 0
) -> Request:
    """A pair: `name` here (up, in bridge `master`), `peer` in the namespace behind the handle."""
    size = _attr(IFLA_MTU, struct.pack("I", mtu)) if mtu else b""
    other = (
        _link()
        + _text(IFLA_IFNAME, peer)
        + _attr(IFLA_ADDRESS, peer_mac)
        + _attr(IFLA_NET_NS_FD, struct.pack("I", peer_netns_fd))
        + size
    )
    body = (
        _link(0, IFF_UP, IFF_UP)
        + _text(IFLA_IFNAME, name)
        + _attr(IFLA_ADDRESS, mac)
        + size
        + (_attr(IFLA_MASTER, struct.pack("I", master)) if master else b"")
        + _attr(
            IFLA_LINKINFO,
            _text(IFLA_INFO_KIND, "veth") + _attr(IFLA_INFO_DATA, _attr(VETH_INFO_PEER, other)),
        )
    )
    return Request(f"add veth {name}", RTM_NEWLINK, NLM_CREATE | NLM_EXCL, body)


def add_bridge(name: str, mac: bytes) -> Request:
    """Idempotent. The address is fixed: a bridge that takes its ports' addresses changes with them."""
    kind = _attr(IFLA_LINKINFO, _text(IFLA_INFO_KIND, "bridge"))
    body = _link(0, IFF_UP, IFF_UP) + _text(IFLA_IFNAME, name) + _attr(IFLA_ADDRESS, mac) + kind
    return Request(f"add bridge {name}", RTM_NEWLINK, NLM_CREATE | NLM_EXCL, body, tolerate=(17,))


def set_up(index: int) -> Request:
    return Request(f"set link {index} up", RTM_NEWLINK, 0, _link(index, IFF_UP, IFF_UP))


def set_port(index: int, *, hairpin: bool, isolated: bool) -> Request:
    """A bridge port's ways: `hairpin` sends back where it came from, `isolated` ports reach no other port."""
    info = _attr(IFLA_BRPORT_MODE, bytes([hairpin])) + _attr(IFLA_BRPORT_ISOLATED, bytes([isolated]))
    body = struct.pack("BBHiII", AF_BRIDGE, 0, 0, index, 0, 0) + _attr(IFLA_PROTINFO | NLA_F_NESTED, info)
    return Request(f"set bridge port {index}", RTM_SETLINK, 0, body)


def delete_link(name: str) -> Request:
    return Request(f"delete link {name}", RTM_DELLINK, 0, _link() + _text(IFLA_IFNAME, name), tolerate=(19,))


def add_address(index: int, address: str, prefix: int) -> Request:
    raw = socket.inet_aton(address)
    body = struct.pack("BBBBI", socket.AF_INET, prefix, 0, 0, index) + _attr(2, raw) + _attr(1, raw)
    return Request(
        f"add address {address}/{prefix}", RTM_NEWADDR, NLM_CREATE | NLM_EXCL, body, tolerate=(17,)
    )


def add_route(index: int, destination: str = "", prefix: int = 0, gateway: str = "") -> Request:
    """To `destination`/`prefix` ("" is the default route) through a gateway, or on the link itself."""
    scope = RT_SCOPE_UNIVERSE if gateway else RT_SCOPE_LINK
    body = struct.pack("BBBBBBBBI", socket.AF_INET, prefix, 0, 0, 254, 3, scope, 1, 0)
    if destination:
        body += _attr(1, socket.inet_aton(destination))
    if gateway:
        body += _attr(5, socket.inet_aton(gateway))
    body += _attr(4, struct.pack("I", index))
    what = f"add route {destination or 'default'}"
    return Request(what, RTM_NEWROUTE, NLM_CREATE | NLM_EXCL, body, tolerate=(17,))


class Netlink:
    """A route socket in the namespace of its making."""

    def __init__(self, fd: int = -1) -> None:
        if fd >= 0:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0, fileno=fd)
        else:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            self._socket.bind((0, 0))
        self._sequence = 0

    def send(self, requests: Sequence[Request]) -> None:
        """Applies them in order; raises OSError for the first that failed (later ones were tried too)."""
        batch = b""
        waiting: dict[int, Request] = {}
        for request in requests:
            self._sequence += 1
            waiting[self._sequence] = request
            flags = request.flags | NLM_REQUEST | NLM_ACK
            batch += struct.pack("IHHII", 16 + len(request.body), request.kind, flags, self._sequence, 0)
            batch += request.body
        self._socket.send(batch)
        failed: OSError | None = None
        while waiting:
            data = self._socket.recv(65536)
            offset = 0
            while offset < len(data):
                length, kind, _, sequence, _ = struct.unpack_from("IHHII", data, offset)
                if kind == NLMSG_ERROR and (done := waiting.pop(sequence, None)) is not None:
                    code = -struct.unpack_from("i", data, offset + 16)[0]
                    if code and code not in done.tolerate and failed is None:
                        failed = OSError(code, f"{done.what}: {os.strerror(code)}")
                offset += (length + 3) & ~3
        if failed is not None:
            raise failed

    def link_names(self) -> dict[str, int]:
        """Every link here: name → index."""
        self._sequence += 1
        head = struct.pack("IHHII", 32, RTM_GETLINK, NLM_REQUEST | NLM_ROOT_MATCH, self._sequence, 0)
        self._socket.send(head + _link())
        found: dict[str, int] = {}
        while True:
            data = self._socket.recv(262144)
            offset = 0
            while offset < len(data):
                length, kind, _, _, _ = struct.unpack_from("IHHII", data, offset)
                if kind == NLMSG_DONE:
                    return found
                if kind == RTM_NEWLINK:
                    index = struct.unpack_from("i", data, offset + 20)[0]
                    found[_name_in(data[offset + 32 : offset + length])] = index
                offset += (length + 3) & ~3

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


def _name_in(attributes: bytes) -> str:
    offset = 0
    while offset + 4 <= len(attributes):
        length, kind = struct.unpack_from("HH", attributes, offset)
        if kind == IFLA_IFNAME:
            return attributes[offset + 4 : offset + length].rstrip(b"\0").decode()
        offset += max(4, (length + 3) & ~3)
    return ""


def _attr(kind: int, data: bytes) -> bytes:
    return struct.pack("HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def _text(kind: int, text: str) -> bytes:
    return _attr(kind, text.encode() + b"\0")


def _link(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return struct.pack("BBHiII", 0, 0, 0, index, flags, change)
