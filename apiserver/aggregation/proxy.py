"""Requests for a group and version that an extension API server serves: passed on as they are, answers passed back.

Authentication, flow control, authorization and audit have happened here; the other server is told who asks. Watches
are passed on piece by piece as they come, and end when either side ends or this server stops. Websockets are relayed
message by message. Upgrades to anything else (SPDY) cannot be expressed over ASGI and are refused by the transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from apiserver.aggregation.reach import Place, Reach, Unreachable, identity_headers
from apiserver.aggregation.remote import Remote, Remotes
from apiserver.http.body import read_body
from apiserver.http.identify import TOKEN_PROTOCOL
from apiserver.http.reply import Header, Receive, Scope, Send, end_stream
from apiserver.http.request import Request
from apiserver.http.watch_stream import Streams, serve_stream
from apiserver.node_http import HttpExchange, check_headers, shown
from apiserver.node_tls import any_subprotocol
from apiserver.nodeconnector import NodeUnreachable
from machinery.errors import ServiceUnavailable

_HOP = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"proxy-connection"}
)
_DROPPED = _HOP | {b"host", b"authorization", b"content-length"}
_DROPPED_PREFIXES = (b"x-remote-", b"impersonate-", b"sec-websocket-")
_DROPPED_BACK = frozenset(
    {"connection", "content-length", "transfer-encoding", "keep-alive", "audit-id", "cache-control"}
)
_PATH_SAFE = "/:@!$&'()*+,;=-._~"


class RemoteProxy:
    def __init__(self, remotes: Remotes, reach: Reach, streams: Streams) -> None:
        self.remotes = remotes
        self._reach = reach
        self._streams = streams

    def find(self, path: str) -> Remote | None:
        return self.remotes.of_path(path)

    async def __call__(self, request: Request, receive: Receive, send: Send, extra: Sequence[Header]) -> int:
        """A Streamer. Raises ServiceUnavailable."""
        place = await self._place(request)
        body = await read_body(receive, request.headers) if request.method not in ("GET", "HEAD") else b""
        try:
            async with self._reach.exchange(
                place, request.method, _target(request), _passed_on(request), request.user, body
            ) as answer:
                return await self._pass_back(answer, receive, send, extra)
        except NodeUnreachable as error:
            raise ServiceUnavailable(f"error trying to reach service: {error}") from error

    async def _place(self, request: Request) -> Place:
        remote = self.find(request.info.path)
        if remote is None or (remote.checked and not remote.available):
            raise ServiceUnavailable("service unavailable")
        try:
            return await self._reach.place(remote)
        except Unreachable as error:
            raise ServiceUnavailable(f"error trying to reach service: {error}") from error

    async def _pass_back(
        self, answer: HttpExchange, receive: Receive, send: Send, extra: Sequence[Header]
    ) -> int:
        headers = [
            (key.encode("latin-1"), value.encode("latin-1"))
            for key, value in answer.headers.items()
            if key not in _DROPPED_BACK
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": [*headers, *extra]})

        async def relay() -> None:
            async for piece in answer.chunks():
                await send({"type": "http.response.body", "body": piece, "more_body": True})

        await serve_stream(receive, self._streams, None, relay)
        await end_stream(send)
        return answer.status

    async def websocket(self, request: Request, scope: Scope, receive: Receive, send: Send) -> int:
        """Both ways until either side closes. Raises ServiceUnavailable before the upgrade."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed, InvalidHandshake

        from client.subprotocols import accept_kubernetes_subprotocols

        accept_kubernetes_subprotocols()
        place = await self._place(request)
        offered = [each for each in scope.get("subprotocols") or () if not each.startswith(TOKEN_PROTOCOL)]
        told = [*identity_headers(request.user), *_passed_on(request)]
        try:
            check_headers(told)
        except NodeUnreachable as error:
            raise ServiceUnavailable(f"error dialing backend: {error}") from error
        headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in told]
        if offered:
            headers.append(("Sec-WebSocket-Protocol", ", ".join(offered)))
        try:
            socket = await connect(
                f"wss://{shown(place.host, place.port)}{_target(request)}",
                ssl=place.context,
                server_hostname=place.server_name,
                additional_headers=headers,
                create_connection=any_subprotocol,  # type: ignore[arg-type]
                compression=None,
                max_size=None,
                proxy=None,
            )
        except (OSError, TimeoutError, InvalidHandshake) as error:
            raise ServiceUnavailable(f"error dialing backend: {error}") from error
        await send({"type": "websocket.accept", "subprotocol": socket.subprotocol, "headers": []})

        async def from_client() -> None:
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    return
                data: Any = message.get("bytes")
                await socket.send(data if data is not None else message["text"])

        async def from_server() -> None:
            async for data in socket:
                key = "text" if isinstance(data, str) else "bytes"
                await send({"type": "websocket.send", key: data})

        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:
                self._streams.add(limit)
                tasks = [loop.create_task(from_client()), loop.create_task(from_server())]
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    self._streams.discard(limit)
                    for task in tasks:
                        task.cancel()
                    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                        if isinstance(outcome, Exception) and not isinstance(
                            outcome, ConnectionClosed | OSError | RuntimeError
                        ):
                            raise outcome
        finally:
            await socket.close()
        try:
            await send({"type": "websocket.close", "code": 1000})
        except (RuntimeError, OSError):
            return 101  # the client closed first
        return 101


def _target(request: Request) -> str:
    """The path is written anew from what was authorized: what was decoded once must not be decoded twice."""
    path = quote(request.info.path, safe=_PATH_SAFE)
    return f"{path}?{request.raw_query.decode('latin-1')}" if request.raw_query else path


def _passed_on(request: Request) -> list[Header]:
    return [
        (key, value)
        for key, value in request.headers.items()
        if key not in _DROPPED and not key.startswith(_DROPPED_PREFIXES)
    ]
