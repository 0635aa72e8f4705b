"""The ends of an ASGI conversation: a request, an answer, a websocket, without a framework."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import orjson

from client.logs import get_logger
from machinery.errors import ApiError

log = get_logger("nodeagent.server")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Query:
    """The query string; names may repeat."""

    def __init__(self, scope: Scope) -> None:
        self.pairs = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)

    def get(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.pairs if key == name), default)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def flag(self, name: str) -> bool:
        return self.get(name).lower() in ("1", "true", "t", "yes")


async def answer(
    send: Send, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8"
) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def answer_json(send: Send, value: Any, status: int = 200) -> None:
    await answer(send, status, orjson.dumps(value), "application/json")


async def answer_error(send: Send, error: ApiError) -> None:
    await answer_json(send, error.to_status(), error.code)


async def while_there(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """`work` to its end, or until the caller leaves: a server does not tell who sends. Raises what it raises."""

    async def leaving() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    loop = asyncio.get_running_loop()
    working, left = loop.create_task(work), loop.create_task(leaving())
    try:
        await asyncio.wait([working, left], return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        left.cancel()
        await asyncio.wait([working, left])
    if not working.cancelled():
        working.result()


class WebSocket:
    """A websocket that is not accepted yet."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.offered: Sequence[str] = scope.get("subprotocols") or ()
        self._can_refuse = "websocket.http.response" in (scope.get("extensions") or {})
        self._receive = receive
        self._send = send
        self.closed = False

    async def accept(self, subprotocol: str) -> None:
        await self._receive()  # websocket.connect
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol or None})

    async def refuse(self, error: ApiError) -> None:
        """Instead of accept: an HTTP answer with the Status."""
        await self._receive()
        if not self._can_refuse:
            await self._send({"type": "websocket.close", "code": 1008, "reason": error.message[:120]})
            return
        body = orjson.dumps(error.to_status())
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self._send({"type": "websocket.http.response.start", "status": error.code, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def receive(self) -> bytes | str | None:
        """The next message; None when the other side is gone."""
        message: Mapping[str, Any] = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.closed = True
            return None
        data = message.get("bytes")
        if data is not None:
            return bytes(data)
        return str(message.get("text") or "")

    async def send(self, data: bytes | str) -> None:
        if self.closed:
            return
        kind = "text" if isinstance(data, str) else "bytes"
        await self._until_gone({"type": "websocket.send", kind: data})

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if not self.closed:
            self.closed = True
            await self._until_gone({"type": "websocket.close", "code": code, "reason": reason})

    async def _until_gone(self, message: dict[str, Any]) -> None:
        """A caller may leave between two messages; the server then raises what its protocol library raises.
        That is the end of a session, not a defect: `receive` tells it."""
        try:
            await self._send(message)
        except Exception as error:
            self.closed = True
            log.debug("the caller left", why=repr(error))
