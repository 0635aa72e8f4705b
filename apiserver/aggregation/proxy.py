"""Requests for a group and version that an extension API server serves: passed on as they are, answers passed back.

Authentication, flow control, authorization and audit have happened here; the other server is told who asks. Watches
are passed on piece by piece as they come, and end when either side ends or this server stops. Websockets are relayed
message by message. Upgrades to anything else (SPDY) cannot be expressed over ASGI and are refused by the transport.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from apiserver.aggregation.reach import Place, Reach, Unreachable, identity_headers
from apiserver.aggregation.remote import Remote, Remotes
from apiserver.http.body import read_body
from apiserver.http.identify import TOKEN_PROTOCOL
from apiserver.http.relay import relay_answer, relay_messages
from apiserver.http.reply import Header, Receive, Scope, Send
from apiserver.http.request import Request
from apiserver.http.watch_stream import Streams
from apiserver.node_tls import open_socket
from apiserver.nodeconnector import NodeRefused, NodeUnreachable
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
                return await relay_answer(answer, self._streams, receive, send, _DROPPED_BACK, extra)
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

    async def websocket(self, request: Request, scope: Scope, receive: Receive, send: Send) -> int:
        """Both ways until either side closes. Raises ServiceUnavailable before the upgrade."""
        place = await self._place(request)
        offered = [each for each in scope.get("subprotocols") or () if not each.startswith(TOKEN_PROTOCOL)]
        try:
            async with open_socket(
                place.host,
                place.port,
                place.context,
                _target(request),
                [*identity_headers(request.user), *_passed_on(request)],
                subprotocols=offered,
                server_name=place.server_name,
            ) as socket:
                chosen = socket.subprotocol or None
                await send({"type": "websocket.accept", "subprotocol": chosen, "headers": []})
                await relay_messages(socket, self._streams, receive, send)
        except (NodeUnreachable, NodeRefused) as error:
            raise ServiceUnavailable(f"error dialing backend: {error}") from error
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
