"""HTTP/1.1 on a socket: bytes in, one ASGI call for each request, answers out in the order of the requests.

    transport ─► Connection: httptools' parser ─► Exchange (receive, send) ─► the application, in a task of its own
                     │   └─ answered with 101: the exchange's body is the connection's bytes, both ways
                     └─ a websocket's upgrade ─► `Served.upgrade` takes the transport over

One request of a connection is served at a time; those that were sent ahead wait, and reading stops meanwhile.
What is no proper request is refused before the application hears of it: 400 for what does not parse, for both lengths
(Content-Length and Transfer-Encoding), for an upgrade with a body, for another encoding than chunked, for no or several Hosts; 431 for too large a
head; 408 for one that is too slow; 417, 505. The connection then ends, since where the next request begins is unknown.
Trailers are read and dropped: a header counts only where it stood when the request was authenticated.

`scope["extensions"]["tls"] = {"der": bytes}` is set when the client showed a certificate, which TLS has verified;
`["upgrade"] = {"protocol": bytes}` where the client asks for one: websockets only on paths that `Served.tunnels` names.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

import httptools

from apiserver.http.exchange import BODY_AHEAD_BYTES, STATUS_LINES, Exchange
from apiserver.http.head import asks_for_websocket, has_body, judge_head, split_target
from apiserver.http.reply import Receive, Scope, Send
from client.logs import get_logger

log = get_logger("apiserver.http")

App = Callable[[Scope, Receive, Send], Awaitable[None]]
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_NEVER = float("inf")
_SENT_AHEAD = 1024  # requests that wait for the one before them


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds are the longest pause, but for `head_s`: a whole head takes no longer."""

    head_bytes: int = 128 * 1024
    head_s: float = 32.0
    body_s: float = 60.0  # between two pieces of a body
    idle_s: float = 120.0  # between two requests
    write_s: float = 120.0  # of a client that does not read what it asked for
    linger_s: float = 1.0  # for a refusal to be read by a client that still sends


@dataclass(slots=True, eq=False)
class Served:
    """What all connections of a server share."""

    app: App
    loop: asyncio.AbstractEventLoop
    limits: Limits = field(default_factory=Limits)
    # takes over (transport, the request's head as it was sent, what came after it)
    upgrade: Callable[[asyncio.Transport, bytes, bytes], None] | None = None
    # whether websockets to this path are the application's to pass on unread
    tunnels: Callable[[str], bool] | None = None
    connections: set[Connection] = field(default_factory=set)
    # what still runs for clients that left
    forsaken: set[asyncio.Task[None]] = field(default_factory=set)
    stopping: bool = False
    lost: int = 0  # connections that ended, until somebody sets it back
    _body: bytes = b""
    _chunk: bytes = b""

    def chunk(self, body: bytes) -> bytes:
        """`body` as a chunk. What one watcher is sent most often goes to the next one too: it is framed once."""
        if not body:
            return b""
        if body is not self._body:
            self._body, self._chunk = body, b"%x\r\n%b\r\n" % (len(body), body)
        return self._chunk

    def sweep(self) -> None:
        """End what is too slow. Looking at all now and then is cheaper than a timer for each request."""
        now = self.loop.time()
        for connection in list(self.connections):
            if connection.deadline <= now or connection.write_deadline <= now:
                connection.expire()


class _Gone(asyncio.Transport):
    """What a connection holds in place of a transport that is lost."""

    def write(self, data: Any) -> None:
        return

    def writelines(self, pieces: Any) -> None:
        return

    def is_closing(self) -> bool:
        return True

    def close(self) -> None:
        return

    def abort(self) -> None:
        return


_GONE = _Gone()


class Connection(asyncio.Protocol):
    """Also the parser's handler: httptools calls `on_*`."""

    transport: asyncio.Transport

    def __init__(self, served: Served) -> None:
        self._served = served
        self._parser = httptools.HttpRequestParser(self)
        self._current: Exchange | None = None  # being served
        self._receiving: Exchange | None = None  # whose body is coming
        self._waiting: deque[Exchange] = deque()  # sent ahead
        self._headers: list[tuple[bytes, bytes]] = []
        self._url = b""
        self._in_head = False
        self._head_bytes = 0
        self._chunk_bytes = 0
        self._barren_bytes = 0  # since the last byte of a body: trailers and what else carries nothing
        self._fault = 0
        self._ignoring = False  # the connection is about to end: what still comes is dropped
        self._upgrading = False
        # What came after a request for an upgrade, until it is answered; with 101, it all goes to the exchange.
        self._beyond: bytearray | None = None
        self._tunnel: Exchange | None = None
        self._reading = True
        self._drained: asyncio.Future[None] | None = None
        self.write_paused = False
        self.deadline = self.write_deadline = _NEVER

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._client = _address(transport.get_extra_info("peername"))
        self._server = _address(transport.get_extra_info("sockname"))
        ssl_object = transport.get_extra_info("ssl_object")
        self._scheme = "http" if ssl_object is None else "https"
        der = ssl_object.getpeercert(True) if ssl_object is not None else None
        self._extensions = {"tls": {"der": der}} if der else {}
        if (
            ssl_object is not None
        ):  # beyond what the socket's own transport holds: at once, what is encrypted can wait as it is
            self.transport.set_write_buffer_limits(high=1)
        self._served.connections.add(self)
        self.deadline = self._served.loop.time() + self._served.limits.idle_s

    def connection_lost(self, exc: Exception | None) -> None:
        served = self._served
        served.connections.discard(self)
        served.lost += 1
        self._ignoring = True
        task = self.busy
        if task is not None and not task.done():
            served.forsaken.add(task)
            task.add_done_callback(served.forsaken.discard)
        for exchange in (self._current, self._receiving, *self._waiting):
            if exchange is not None:
                exchange.leave()
        self._waiting.clear()
        self.resume_writing()
        # Nothing may be left to hold each other: the collector comes seldom, and a connection takes 50 KiB.
        self._current = self._receiving = self._tunnel = None
        self._beyond = None
        self.transport = _GONE
        del self._parser

    def pause_writing(self) -> None:
        self.write_paused = True
        if self._tunnel is None:  # who looks at a pod's output in a pager may take hours
            self.write_deadline = self._served.loop.time() + self._served.limits.write_s

    def resume_writing(self) -> None:
        self.write_paused = False
        self.write_deadline = _NEVER
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def drain(self) -> None:
        while self.write_paused:
            self._drained = self._served.loop.create_future()
            await self._drained

    def chunk(self, body: bytes) -> bytes:
        return self._served.chunk(body)

    def data_received(self, data: bytes) -> None:
        if self._ignoring:
            if self._tunnel is not None:
                self._tunnel.add_body(data)
                if self._tunnel.buffered > BODY_AHEAD_BYTES:
                    self._pause_reading()
            elif self._beyond is not None:
                self._hold(data)
            return
        self._chunk_bytes = len(data)
        if self._in_head:
            self._head_bytes += len(data)
        elif self._receiving is not None:
            self._barren_bytes += len(data)
            self.deadline = self._served.loop.time() + self._served.limits.body_s
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignoring = True
            if self._upgrading and not self._fault:
                self._hand_over(data[upgrade.args[0] :])
                return
            self._beyond = bytearray()
            self._hold(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError:
            log.exception("a request could not be taken")
            self._fault = self._fault or 500
        except httptools.HttpParserError:
            self._fault = self._fault or 400
        limit = self._served.limits.head_bytes
        if (self._in_head and self._head_bytes > limit) or self._barren_bytes > limit:
            self._fault = self._fault or 431
        if self._fault:
            self._drop_faulty()
        if self._current is None:
            self._next()

    # The parser's side

    def on_message_begin(self) -> None:
        self._in_head = True
        self._url = b""
        self._headers = []
        self._head_bytes = self._barren_bytes = 0
        if self._current is None:
            self.deadline = self._served.loop.time() + self._served.limits.head_s

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._fault or self._ignoring:
            return
        parser = self._parser
        limit = self._served.limits.head_bytes
        if self._head_bytes + self._chunk_bytes > limit:
            size = len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)
            if size > limit:
                self._fault = 431
                return
        version = parser.get_http_version()
        self._fault, continues = judge_head(version, self._headers)
        target = split_target(self._url)
        if target is None or len(self._waiting) >= _SENT_AHEAD:
            self._fault = self._fault or 400
        if self._fault or target is None:
            return
        raw_path, query = target
        path = raw_path.decode("latin-1")
        if "%" in path:
            path = unquote(path)
        method = parser.get_method()
        scope: Scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": method.decode("ascii"),
            "scheme": self._scheme,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "client": self._client,
            "server": self._server,
            "extensions": self._extensions,
        }
        keep_alive = parser.should_keep_alive() and version != "1.0"
        if parser.should_upgrade():
            keep_alive = False
            if has_body(
                self._headers
            ):  # the parser takes what follows for the other protocol's bytes already
                self._fault = 400
                return
            tunnels = self._served.tunnels
            self._upgrading = asks_for_websocket(method, self._headers) and not (tunnels and tunnels(path))
            if self._upgrading:
                return
            protocol = dict(self._headers).get(b"upgrade")  # CONNECT asks for none
            if method != b"HEAD" and protocol is not None:
                asked = {"protocol": protocol}
                scope["extensions"] = {**self._extensions, "upgrade": asked}
        exchange = Exchange(
            self, scope, keep_alive=keep_alive, expects_continue=continues, old=version == "1.0"
        )
        self._receiving = exchange
        self._waiting.append(exchange)

    def on_body(self, body: bytes) -> None:
        exchange = self._receiving
        if exchange is None:
            return
        self._barren_bytes = 0
        exchange.add_body(body)
        if exchange.buffered > BODY_AHEAD_BYTES:
            self._pause_reading()

    def on_message_complete(self) -> None:
        exchange, self._receiving = self._receiving, None
        if exchange is None:
            return
        exchange.end_body()
        if exchange.done:  # the rest of a body that nobody read
            self.deadline = self._served.loop.time() + self._served.limits.idle_s
        elif exchange is self._current:
            self.deadline = _NEVER
        if not exchange.keep_alive:
            self._ignoring = True

    # Serving

    def _next(self) -> None:
        """Begin the next request; with none, refuse what was at fault or wait."""
        if not self._waiting:
            if self._fault:
                self._refuse(self._fault)
            return
        exchange = self._current = self._waiting.popleft()
        self.deadline = (
            _NEVER if exchange.body_whole else self._served.loop.time() + self._served.limits.body_s
        )
        if self._waiting:
            self._pause_reading()
        exchange.task = self._served.loop.create_task(self._run(exchange))

    async def _run(self, exchange: Exchange) -> None:
        try:
            await self._served.app(exchange.scope, exchange.receive, exchange.send)
        except Exception:
            log.exception(
                "the application failed", method=exchange.scope["method"], path=exchange.scope["path"]
            )
        exchange.task = None
        if exchange.done or exchange.gone:
            return
        # No answer, or half of one.
        exchange.leave()
        if exchange.started:
            self.transport.abort()
        else:
            self._refuse(500)

    def want_body(self) -> None:
        self._resume_reading()

    def switched(self, exchange: Exchange) -> None:
        self._tunnel = exchange
        self.deadline = self.write_deadline = _NEVER
        if self._beyond:
            exchange.add_body(bytes(self._beyond))
        self._beyond = None
        self._resume_reading()

    def _hold(self, data: bytes) -> None:
        assert self._beyond is not None
        self._beyond += data
        if len(self._beyond) > BODY_AHEAD_BYTES:
            self._pause_reading()

    def answered(self, exchange: Exchange) -> None:
        self._current = None
        if not exchange.keep_alive or self._served.stopping:
            if exchange.body_whole or exchange is self._tunnel:
                self._close()
            else:
                self._linger()
            return
        if self._waiting:
            self._next()
            return
        self.deadline = self._served.loop.time() + self._served.limits.idle_s
        self._resume_reading()
        if self._fault:
            self._refuse(self._fault)

    def stop(self) -> None:
        """End when the request under way is answered; those sent ahead go unanswered, as clients expect of a close."""
        self._waiting.clear()
        if self._current is None:
            self._close()
        else:
            self._current.keep_alive = False

    def leave(self) -> None:
        """End whatever is under way."""
        if self._current is None:
            self._close()
        else:
            self.transport.abort()

    def expire(self) -> None:
        """A deadline has passed."""
        if self.write_paused and self.write_deadline <= self._served.loop.time():
            self.transport.abort()
        elif self._current is not None or self._in_head:
            self._refuse(408)
        else:
            self._close()

    # Ends

    def _drop_faulty(self) -> None:
        """The request that the fault is in never starts, or ends for the application as if the client had left."""
        self._ignoring = True
        exchange, self._receiving = self._receiving, None
        if exchange is None:
            return
        if exchange is self._current:
            self._current = None
            exchange.leave()
            if exchange.started:
                self.transport.abort()
                return
        elif self._waiting and self._waiting[-1] is exchange:
            self._waiting.pop()

    def _refuse(self, status: int) -> None:
        """Answer in the application's stead, and end."""
        if self._current is not None:
            exchange, self._current = self._current, None
            exchange.leave()
            if exchange.started:
                self.transport.abort()
                return
        line = STATUS_LINES[status]
        text = line[9:-2]
        self.transport.write(
            b"%bcontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (line, len(text), text)
        )
        self._linger()

    def _linger(self) -> None:
        """Close a little later: data that nobody reads would reset the connection before the answer is read."""
        self._ignoring = True
        self._beyond = None
        self._fault = 0
        self.deadline = _NEVER
        self._resume_reading()
        self._served.loop.call_later(self._served.limits.linger_s, self._close)

    def _close(self) -> None:
        self._ignoring = True
        self.deadline = _NEVER
        self.transport.close()

    def _hand_over(self, rest: bytes) -> None:
        """The connection becomes a websocket's."""
        upgrade = self._served.upgrade
        if upgrade is None or self._current is not None or self._waiting:
            self._fault = 400
            self._next()
            return
        self._served.connections.discard(self)
        del self._parser
        lines = [b"GET %b HTTP/1.1\r\n" % self._url]
        lines += [b"%b: %b\r\n" % header for header in self._headers]
        lines.append(b"\r\n")
        upgrade(self.transport, b"".join(lines), rest)

    def _pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reading and not self.transport.is_closing():
            self._reading = True
            self.transport.resume_reading()

    @property
    def busy(self) -> asyncio.Task[None] | None:
        """The task of the request under way."""
        return self._current.task if self._current is not None else None


def _address(name: Any) -> tuple[str, int] | None:
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None
