"""The API server's way to node agents when all of them live in one process: calls instead of sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlencode

from api.resource import Obj
from apiserver.auth.user import User
from apiserver.nodeconnector import NodeRefused, NodeSocket, NodeStream, NodeUnreachable, Query
from client.inprocess import InProcessTransport

App = Callable[[Any, Any, Any], Any]
_API_SERVER = User("kube-apiserver", ("system:masters",))


class InProcessNodes:
    """Maps a node's name to what gives its agent's ASGI app (made when first asked for). A node without one is unreachable, as if it were off."""

    def __init__(self) -> None:
        self.apps: dict[str, Callable[[], App]] = {}

    def _app(self, node: Obj) -> App:
        name = node["metadata"]["name"]
        if name not in self.apps:
            raise NodeUnreachable(f"node {name} does not answer")
        return self.apps[name]()

    @asynccontextmanager
    async def stream(self, node: Obj, path: str, query: Query) -> AsyncIterator[NodeStream]:
        transport = InProcessTransport(self._app(node), _API_SERVER)
        async with transport.stream("GET", path, query=query) as stream:
            yield stream

    @asynccontextmanager
    async def websocket(
        self, node: Obj, path: str, query: Query, subprotocols: Sequence[str]
    ) -> AsyncIterator[NodeSocket]:
        socket = _Socket()
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "wss",
            "path": path,
            "raw_path": path.encode(),
            "query_string": urlencode(query).encode(),
            "headers": [],
            "subprotocols": list(subprotocols),
            "extensions": {"kctl": {"user": _API_SERVER}, "websocket.http.response": {}},
        }
        task = asyncio.ensure_future(self._app(node)(scope, socket.to_app, socket.from_app))
        task.add_done_callback(lambda _: socket.ended())
        try:
            await socket.opened()
            yield socket
        finally:
            await socket.close()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class _Socket:
    """Both ends of one websocket: the app's receive and send, and the NodeSocket that the API server holds."""

    def __init__(self) -> None:
        self.subprotocol = ""
        self._incoming: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._outgoing: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._status = 0
        self._incoming.put_nowait({"type": "websocket.connect"})

    async def opened(self) -> None:
        """Raises NodeRefused."""
        await self._answer

    def ended(self) -> None:
        if not self._answer.done():
            self._answer.set_exception(NodeUnreachable("the node closed the connection before it was open"))
        self._outgoing.put_nowait(None)

    async def to_app(self) -> Mapping[str, Any]:
        return await self._incoming.get()

    async def from_app(self, message: Mapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self.subprotocol = message.get("subprotocol") or ""
            self._answer.set_result(None)
        elif kind == "websocket.send":
            data = message.get("bytes")
            self._outgoing.put_nowait(message["text"] if data is None else data)
        elif kind == "websocket.http.response.start":
            self._status = message["status"]
        elif kind == "websocket.http.response.body":
            self._answer.set_exception(NodeRefused(self._status, message.get("body", b"")))
        elif kind == "websocket.close":
            if not self._answer.done():
                self._answer.set_exception(NodeRefused(403, message.get("reason", "").encode()))
            self._outgoing.put_nowait(None)

    async def send(self, data: bytes | str) -> None:
        field = "text" if isinstance(data, str) else "bytes"
        self._incoming.put_nowait({"type": "websocket.receive", field: data})

    async def receive(self) -> bytes | str | None:
        return await self._outgoing.get()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
