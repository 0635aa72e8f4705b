"""Sockets that already listen when a process begins: whoever started it holds their ports, and so nobody else can take them.

`KCTL_LISTEN` names them, `HOST:PORT=DESCRIPTOR` separated by commas; a server that is about to listen asks here first.
Several processes may hold one socket: each new connection goes to one of those that live.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

ENVIRONMENT = "KCTL_LISTEN"
BACKLOG = 2048
# A peer that vanished without a word (a laptop that sleeps, a cable) is noticed after two minutes of silence; accepted
# sockets have what their listener has.
_SILENCE_S, _PROBE_S, _PROBES = 60, 15, 4


def inherited(host: str, port: int) -> socket.socket | None:
    """The socket that was bound to `host`:`port` for this process; None where there is none."""
    for part in os.environ.get(ENVIRONMENT, "").split(","):
        address, _, descriptor = part.rpartition("=")
        if address == f"{host}:{port}":
            sock = socket.socket(fileno=os.dup(int(descriptor)))
            sock.setblocking(False)
            return sock
    return None


def named(sockets: Mapping[tuple[str, int], int]) -> str:
    """The variable's value for these descriptors."""
    return ",".join(f"{host}:{port}={descriptor}" for (host, port), descriptor in sockets.items())


def listen(host: str, port: int, backlog: int = BACKLOG) -> socket.socket:
    """A socket of one's own. Raises OSError where the address cannot be had."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
        sock.bind((host, port))
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
