"""Lets the `websockets` library take subprotocol names as Kubernetes spells them.

kubectl offers `SPDY/3.1+portforward.k8s.io`. The slash makes it no token of RFC 9110, which `websockets` insists
on, in servers and in clients alike; Go's libraries do not. Both sides of port forwarding (kubectl ↔ API server,
API server ↔ node) need the name, so the library's parser of this one header is exchanged for one that only splits
at commas. Idempotent; call it before the first handshake of a process.
"""

from __future__ import annotations


def accept_kubernetes_subprotocols() -> None:
    import websockets.client
    import websockets.server

    for module in (websockets.client, websockets.server):
        module.parse_subprotocol = parse_subprotocol  # type: ignore[attr-defined]


def parse_subprotocol(header: str) -> list[str]:
    """The names in a Sec-WebSocket-Protocol header, in order."""
    return [name for name in (piece.strip() for piece in header.split(",")) if name]
