"""Requests for a group and version that an extension API server serves: passed on as they are, answers passed back.

Authentication, flow control, authorization and audit have happened here; the other server is told who asks. Watches
are passed on piece by piece as they come, and end when either side ends or this server stops. Upgrades, to websockets or
anything else, are relayed byte for byte once the other server has taken them.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from apiserver.aggregation.reach import Place, Reach, Unreachable
from apiserver.aggregation.remote import Remote, Remotes
from apiserver.http.body import read_body
from apiserver.http.relay import passed_on, relay_upgrade
from apiserver.http.reply import Header, Receive, Send
from apiserver.http.request import Request
from apiserver.http.watch_stream import Streams
from apiserver.nodeconnector import NodeUnreachable
from machinery.errors import ServiceUnavailable

_DROPPED = frozenset({b"host", b"authorization", b"content-length"})
_DROPPED_PREFIXES = (b"x-remote-", b"impersonate-")
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
        headers = passed_on(request, _DROPPED, _DROPPED_PREFIXES)
        try:
            async with self._reach.exchange(
                place,
                request.method,
                _target(request),
                headers,
                request.user,
                body,
                upgrade=request.upgrade or b"",
            ) as answer:
                return await relay_upgrade(answer, self._streams, receive, send, _DROPPED_BACK, extra)
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


def _target(request: Request) -> str:
    """The path is written anew from what was authorized: what was decoded once must not be decoded twice."""
    path = quote(request.info.path, safe=_PATH_SAFE)
    return f"{path}?{request.raw_query.decode('latin-1')}" if request.raw_query else path
