"""Lets the `websockets` library take handshakes as Kubernetes speaks them.

The command of an exec stands in the request's path, a word a parameter: longer than the 8 KiB that the library takes of a line. Who
listens bounds the whole head before.

kubectl offers `SPDY/3.1+portforward.k8s.io`. The slash makes it no token of RFC 9110, which `websockets` insists
on, in servers and in clients alike; Go's libraries do not. Both sides of port forwarding (kubectl ↔ API server,
API server ↔ node) need the name, so the library's parser of this one header is exchanged for one that only splits
at commas. Idempotent; call it before a handshake, a client after importing `websockets.asyncio.client`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType

_LONGEST_LINE = 1024 * 1024  # of Go's servers


def accept_kubernetes_subprotocols() -> None:
    import websockets.client
    import websockets.http11
    import websockets.server

    websockets.http11.MAX_LINE_LENGTH = _LONGEST_LINE
    for module in (websockets.client, websockets.server):
        _exchange(module, "parse_subprotocol", parse_subprotocol)
    connector = sys.modules.get("websockets.asyncio.client")  # only for who has imported it
    if connector is not None:
        _exchange(connector, "validate_subprotocols", _check)


def _exchange(module: ModuleType, name: str, function: Callable[..., object]) -> None:
    """Raises AttributeError where the library of tomorrow has no such function any more."""
    getattr(module, name)
    setattr(module, name, function)


def parse_subprotocol(header: str) -> list[str]:
    """The names in a Sec-WebSocket-Protocol header, in order."""
    return [name for name in (piece.strip() for piece in header.split(",")) if name]


def _check(subprotocols: Sequence[str]) -> None:
    """Raises ValueError for a name that would break the header."""
    for name in subprotocols:
        if not name or any(char in " ,\r\n" for char in name):
            raise ValueError(f"invalid subprotocol: {name!r}")
