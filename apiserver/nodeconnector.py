"""The seam between the API server and a node's agent: logs, exec, attach and port-forward go through it.

Implementations: `apiserver/node_tls.py` (TLS to the address in the Node's status), and one inside the process of a
simulated cluster. What travels is the agent's business; the API server only relays.

The agent serves
    GET /containerLogs/{ns}/{pod}/{container}?follow&tailLines&sinceSeconds&sinceTime&timestamps&previous&limitBytes
    WS  /exec/{ns}/{pod}/{container}?command=..&stdin&stdout&stderr&tty      (and /attach/..., /portForward/{ns}/{pod})
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from api.resource import Obj

Query = Sequence[tuple[str, str]]


class NodeUnreachable(Exception):
    """The agent did not answer. The message says which address and why; the cause is chained."""


class NodeStream(Protocol):
    """An HTTP answer whose body is read while it comes."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> AsyncIterator[bytes]: ...

    async def read(self) -> bytes:
        """The rest of the body."""
        ...


class NodeRefused(Exception):
    """The agent answered an upgrade with an error: its status and body (a Status, or text)."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"the node refused with {status}: {body[:200]!r}")
        self.status = status
        self.body = body


class NodeSocket(Protocol):
    """An open websocket to the agent."""

    subprotocol: str

    async def send(self, data: bytes | str) -> None: ...

    async def receive(self) -> bytes | str | None:
        """The next message, None when the other side has closed."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


class NodeConnector(Protocol):
    """`node` is the Node object: the connector reads its addresses and its kubelet port."""

    def stream(self, node: Obj, path: str, query: Query) -> AbstractAsyncContextManager[NodeStream]:
        """GET. Raises NodeUnreachable."""
        ...

    def websocket(
        self, node: Obj, path: str, query: Query, subprotocols: Sequence[str]
    ) -> AbstractAsyncContextManager[NodeSocket]:
        """Raises NodeUnreachable, NodeRefused."""
        ...


def node_address(node: Obj) -> tuple[str, int]:
    """(host, port) of a Node's agent. Raises NodeUnreachable where its status does not say."""
    status = node.get("status") or {}
    name = node["metadata"]["name"]
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
    if not port:
        raise NodeUnreachable(f'node "{name}" does not say on which port its agent listens')
    by_type = {address["type"]: address["address"] for address in status.get("addresses") or ()}
    for kind in ("InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS"):
        if by_type.get(kind):
            return by_type[kind], int(port)
    raise NodeUnreachable(f'node "{name}" has no address in its status')
