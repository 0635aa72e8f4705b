"""The Transport without a wire: calls an ASGI application in the same event loop.

A request is awaited where it is made; a stream runs the application as a task of its own and hands
its pieces over as they are sent, so a watch really streams. Who asks is told to the application in
`scope["extensions"]["kctl"] = {"user": user}`: the one who builds the transport vouches for it, as
a TLS handshake would.

Invariants: no thread, no socket, no time of its own (timeouts are the loop's); leaving a stream
tells the application `http.disconnect` and waits for its task.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlencode

from client.headers import parse_warnings
from client.streams import Chunks, Lines
from client.transport import Query, Response, Stream, TransportError

Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
# A sender waits while more than this is unread: the slow consumer is felt, as with a socket.
_WAIT_ABOVE_BYTES = 1 << 20


class InProcessTransport:
    """`user` is the server's user object (apiserver.auth.user.User), opaque here."""

    def __init__(self, app: AsgiApp, user: Any, *, headers: Mapping[str, str] | None = None) -> None:
        self._app = app
        self._user = user
        self._headers = dict(headers or {})
        self._streams: set[asyncio.Task[None]] = set()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = 30.0,
    ) -> Response:
        exchange = _Exchange(body, bounded=False)
        scope = self._scope(method, path, query, headers, body)
        try:
            async with asyncio.timeout(timeout_s):
                await self._app(scope, exchange.receive, exchange.send)
        except TimeoutError as error:
            raise TransportError(f"{method} {path}: no answer within {timeout_s} s") from error
        except Exception as error:
            raise TransportError(f"{method} {path}: the application failed: {error!r}") from error
        if not exchange.ended:
            raise TransportError(f"{method} {path}: the application ended without a whole answer")
        return Response(exchange.status, exchange.headers, b"".join(exchange.pieces), exchange.warnings())

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        idle_timeout_s: float | None = None,
    ) -> AsyncIterator[Stream]:
        exchange = _Exchange(body, bounded=True)
        scope = self._scope(method, path, query, headers, body)
        task = asyncio.create_task(self._serve(scope, exchange))
        self._streams.add(task)
        try:
            try:
                async with asyncio.timeout(idle_timeout_s):
                    await exchange.head()
            except TimeoutError as error:
                raise TransportError(f"{method} {path}: no answer within {idle_timeout_s} s") from error
            yield InProcessStream(exchange, idle_timeout_s)
        finally:
            exchange.disconnect()
            task.cancel()
            await asyncio.wait([task])
            self._streams.discard(task)

    async def close(self) -> None:
        for task in list(self._streams):
            task.cancel()
        if self._streams:
            await asyncio.wait(list(self._streams))

    async def _serve(self, scope: dict[str, Any], exchange: _Exchange) -> None:
        try:
            await self._app(scope, exchange.receive, exchange.send)
            exchange.finish(None)
        except Exception as error:
            exchange.finish(error)
        except BaseException:
            exchange.finish(ConnectionResetError("the stream was ended"))
            raise

    def _scope(
        self, method: str, path: str, query: Query, headers: Mapping[str, str] | None, body: bytes
    ) -> dict[str, Any]:
        pairs = {"host": "in-process", **self._headers, **(headers or {})}
        if body:
            pairs["content-length"] = str(len(body))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": urlencode(query).encode(),
            "root_path": "",
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in pairs.items()],
            "client": ("127.0.0.1", 0),
            "server": ("in-process", 443),
            "state": {},
            "extensions": {"kctl": {"user": self._user}},
        }


class _Exchange:
    """Both ends of one ASGI call: what the application receives, and what it has sent so far."""

    def __init__(self, body: bytes, *, bounded: bool) -> None:
        self._body: bytes | None = body
        self._bounded = bounded
        self.status = 0
        self.headers: dict[str, str] = {}
        self._warning_values: list[str] = []
        self.pieces: deque[bytes] = deque()
        self._unread_bytes = 0
        self.ended = False
        self._error: Exception | None = None
        self._disconnected = asyncio.Event()
        self._changed = asyncio.Event()  # something was sent, or it is over
        self._drained = asyncio.Event()
        self._drained.set()

    def warnings(self) -> tuple[str, ...]:
        return parse_warnings(self._warning_values)

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._disconnected.is_set():
            raise OSError("the client has left")
        if message["type"] == "http.response.start":
            for name, value in message.get("headers", ()):
                key, text = name.decode("latin-1").lower(), value.decode("latin-1")
                if key == "warning":
                    self._warning_values.append(text)
                self.headers[key] = text
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            if piece := message.get("body", b""):
                self.pieces.append(bytes(piece))
                self._unread_bytes += len(piece)
            if not message.get("more_body", False):
                self.ended = True
        self._changed.set()
        if self._bounded and self._unread_bytes > _WAIT_ABOVE_BYTES:
            self._drained.clear()
            await self._drained.wait()

    def finish(self, error: Exception | None) -> None:
        if not self.ended:
            self._error = error or ConnectionResetError("the application ended without a whole answer")
        self._changed.set()

    def disconnect(self) -> None:
        self._disconnected.set()
        self._drained.set()

    async def head(self) -> None:
        while not self.status:
            await self._change()

    async def next_chunk(self) -> bytes:
        while not self.pieces:
            if self.ended:
                return b""
            await self._change()
        data = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)
        self.pieces.clear()
        self._unread_bytes = 0
        self._drained.set()
        return data

    async def _change(self) -> None:
        if self._error is not None:
            raise TransportError(f"the answer broke off: {self._error!r}") from self._error
        self._changed.clear()
        await self._changed.wait()


class InProcessStream:
    def __init__(self, exchange: _Exchange, idle_timeout_s: float | None) -> None:
        self.status = exchange.status
        self.headers: Mapping[str, str] = exchange.headers
        self._exchange = exchange
        self._idle_timeout_s = idle_timeout_s

    async def _next_chunk(self) -> bytes:
        try:
            async with asyncio.timeout(self._idle_timeout_s):
                return await self._exchange.next_chunk()
        except TimeoutError as error:
            raise TransportError(f"nothing came for {self._idle_timeout_s} s") from error

    def chunks(self) -> AsyncIterator[bytes]:
        return Chunks(self._next_chunk)

    def lines(self) -> AsyncIterator[bytes]:
        return Lines(self._next_chunk)

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])
