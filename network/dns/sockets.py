"""A node's two sockets: one for datagrams, one for streams, opened in the node's network namespace.

They are bound to the node's own address alone, on a port that no resolver of the machine uses; the service proxy's
rules lead the DNS Service's address there.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from network.namespaces import run_within

_BACKLOG = 128
PORT = 10053


@dataclass(frozen=True, slots=True)
class Opened:
    udp: socket.socket
    tcp: socket.socket

    @property
    def ports(self) -> tuple[int, int]:
        """(UDP, TCP)"""
        return int(self.udp.getsockname()[1]), int(self.tcp.getsockname()[1])

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()


def open_sockets(address: str, netns: Path | None, port: int = PORT) -> Opened:
    """On `port` where it is free, else on others. Raises OSError."""
    return run_within(netns, partial(_open, address, port))


def _open(address: str, port: int) -> Opened:
    """Streams go where datagrams do, if that is free."""
    with contextlib.ExitStack() as undo:
        udp = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        _bind(udp, address, port)
        tcp = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(tcp, address, udp.getsockname()[1])
        tcp.listen(_BACKLOG)
        for sock in (udp, tcp):
            sock.setblocking(False)
        undo.pop_all()
        return Opened(udp, tcp)


def _bind(sock: socket.socket, address: str, port: int) -> None:
    try:
        sock.bind((address, port))
    except OSError:
        sock.bind((address, 0))
