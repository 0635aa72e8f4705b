"""A node's two sockets: one for datagrams, one for streams, opened in the node's network namespace.

A thread enters the namespace and ends; its process stays where it is, and the sockets stay where they were made.
They are bound to the node's own address alone, on a port that no resolver of the machine uses; the service proxy's
rules lead the DNS Service's address there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNET = 0x40000000
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
    if netns is None:
        return _open(address, port)
    made: list[Opened] = []
    failed: list[OSError] = []

    def within() -> None:
        try:
            _enter(netns)
            made.append(_open(address, port))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=within, name=f"sockets in {netns.name}")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


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


def _enter(netns: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(handle, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {netns}")
    finally:
        os.close(handle)
