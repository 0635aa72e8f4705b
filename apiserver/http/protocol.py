"""HTTP/1.1 on a socket: bytes in, one ASGI call for each request, answers out in the order of the requests.

    transport ─► Connection: httptools' parser ─► Exchange (receive, send) ─► the application, in a task of its own
                     │   └─ answered with 101: the exchange's body is the connection's bytes, both ways
                     └─ a websocket's upgrade ─► `Served.upgrade` takes the transport over

One request of a connection is served at a time; those that were sent ahead wait, nearly all of them as the bytes that they came
as, and reading stops meanwhile.
What is no proper request is refused before the application hears of it: 400 for what does not parse, for both lengths
(Content-Length and Transfer-Encoding), for an upgrade with a body, for another encoding than chunked, for no or several Hosts; 431 for too large a
head; 408 for one that is too slow, and for such a body; 417, 505. 504 is for what the application does not answer in time, unless
another server is to (`Served.tunnels`). The connection then ends, since where the next request begins is unknown.
Trailers are read and dropped: a header counts only where it stood when the request was authenticated.

`scope["extensions"]["tls"] = {"der": bytes}` is set when the client showed a certificate, which TLS has verified;
`["upgrade"] = {"protocol": bytes}` where the client asks for one: websockets only on paths that `Served.tunnels` names.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast
from urllib.parse import unquote

import httptools

from apiserver.http.exchange import BODY_AHEAD_BYTES, STATUS_LINES, Exchange
from apiserver.http.head import asks_for_websocket, has_body, judge_head, split_target
from apiserver.http.reply import Scope, error_reply, text_reply
from apiserver.http.served import GONE, Served
from client.logs import get_logger
from machinery.errors import Timeout

log = get_logger("apiserver.http")

_TOO_LATE = Timeout("Timeout: request did not complete within the allotted timeout")

_ASGI = {"version": "3.0", "spec_version": "2.3"}
_NEVER = float("inf")
_STEP_BYTES = (
    4 * 1024
)  # taken apart at once: it may hold nothing but requests, each of which takes some times its size


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
        self._step_bytes = 0
        self._ahead = b""  # came, and is taken apart when what came before is served
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
        self._patience_s = served.limits.write_s

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
        if not self._served.has_room():
            self._ignoring = True
            self.transport.abort()
            return
        self._served.connections.add(self)
        self.deadline = self._served.loop.time() + self._served.limits.idle_s

    def connection_lost(self, exc: Exception | None) -> None:
        served = self._served
        served.connections.discard(self)
        served.lost += 1
        self._ignoring = True
        self._forsake()
        for exchange in (self._current, self._receiving, *self._waiting):
            if exchange is not None:
                exchange.leave()
        self._waiting.clear()
        self.resume_writing()
        # Nothing may be left to hold each other: the collector comes seldom, and a connection takes 50 KiB.
        self._current = self._receiving = self._tunnel = None
        self._beyond = None
        self._ahead = b""
        self.transport = GONE
        del self._parser

    def pause_writing(self) -> None:
        self.write_paused = True
        self._served.lost = self._served.lost or 1
        if self._tunnel is None:  # who looks at a pod's output in a pager may take hours
            self.write_deadline = self._served.loop.time() + self._patience_s

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
        if self._ahead:
            self._ahead += data
        else:
            self._take_apart(data)

    def _take_apart(self, data: bytes) -> None:
        """Until a request waits for another."""
        at = 0
        while at < len(data) and not self._ignoring:
            if self._waiting:
                self._ahead = data[at:]
                self._pause_reading()
                return
            step = data[at : at + _STEP_BYTES] if len(data) > _STEP_BYTES else data
            at += len(step)
            self._parse(step, data, at)
            if self._fault:
                self._drop_faulty()
            if self._current is None:
                self._next()

    def _parse(self, step: bytes, data: bytes, end: int) -> None:
        """`step` ends at `end` of `data`."""
        self._step_bytes = len(step)
        if self._in_head:
            self._head_bytes += len(step)
        elif self._receiving is not None:
            self._barren_bytes += len(step)
        try:
            self._parser.feed_data(step)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignoring = True
            beyond = data[end - len(step) + upgrade.args[0] :]
            if self._upgrading and not self._fault:
                self._hand_over(beyond)
                return
            self._beyond = bytearray()
            self._hold(beyond)
        except httptools.HttpParserCallbackError:
            log.exception("a request could not be taken")
            self._fault = self._fault or 500
        except httptools.HttpParserError:
            self._fault = self._fault or 400
        limit = self._served.limits.head_bytes
        if (self._in_head and self._head_bytes > limit) or self._barren_bytes > limit:
            self._fault = self._fault or 431

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
            if len(self._headers) > self._served.limits.headers:
                self._fault = self._fault or 431

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._fault or self._ignoring:
            return
        parser = self._parser
        limit = self._served.limits.head_bytes
        if self._head_bytes + self._step_bytes > limit:
            size = len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)
            if size > limit:
                self._fault = 431
                return
        version = parser.get_http_version()
        self._fault, continues = judge_head(version, self._headers)
        target = split_target(self._url)
        if target is None:
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
        self._patience_s = self._served.limits.write_s
        if self.write_paused:
            self.write_deadline = min(self.write_deadline, self._served.loop.time() + self._patience_s)
        self.deadline = self._served.loop.time() + self._served.limits.request_s
        exchange.task = self._served.loop.create_task(self._run(exchange))
        if self._ahead and not self._waiting:
            ahead, self._ahead = self._ahead, b""
            self._take_apart(ahead)
        if self._waiting:
            self._pause_reading()
        else:
            self._resume_reading()

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

    def streams(self) -> None:
        self.deadline = _NEVER
        if self._current is not None and self._current.scope["path"].endswith("/log"):  # it may be in a pager
            self._patience_s = self._served.limits.session_s

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
        limits = self._served.limits
        self.deadline = self._served.loop.time() + (limits.head_s if self._in_head else limits.idle_s)
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
        if self.transport.is_closing() or (
            self.write_paused and self.write_deadline <= self._served.loop.time()
        ):
            self.transport.abort()
        elif self._current is not None and self._current.body_whole:
            if self._may_last(self._current):
                self.deadline = _NEVER
            else:
                self._refuse(504)
        elif self._current is not None or self._in_head:
            self._refuse(408)
        else:
            self._close()

    def _may_last(self, exchange: Exchange) -> bool:
        """Another server is to answer, which sets its own time."""
        tunnels = self._served.tunnels
        return not exchange.started and tunnels is not None and tunnels(exchange.scope["path"])

    # Ends

    def _drop_faulty(self) -> None:
        """The request that the fault is in never starts, or ends for the application as if the client had left."""
        self._ignoring = True
        exchange, self._receiving = self._receiving, None
        if exchange is None:
            return
        if exchange is self._current:
            self._forsake()
            self._current = None
            exchange.leave()
            if exchange.started:
                self.transport.abort()
                return
        elif self._waiting and self._waiting[-1] is exchange:
            self._waiting.pop()

    def _forsake(self) -> None:
        """The request under way is answered to nobody; a stop still waits for what it does."""
        task, forsaken = self.busy, self._served.forsaken
        if task is not None and not task.done():
            forsaken.add(task)
            task.add_done_callback(forsaken.discard)

    def _refuse(self, status: int) -> None:
        """Answer in the application's stead, and end."""
        if self._current is not None:
            self._forsake()
            exchange, self._current = self._current, None
            exchange.leave()
            if exchange.started:
                self.transport.abort()
                return
        line = STATUS_LINES[status]
        reply = error_reply(_TOO_LATE) if status == 504 else text_reply(line[9:-2].decode())
        self.transport.write(
            b"%bcontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (line, reply.content_type, reply.size, reply.body)
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
        self.deadline = self._served.loop.time() + self._served.limits.close_s
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
    def is_idle(self) -> bool:
        """No request has come whole that is not answered."""
        return self._current is None and not self._ignoring

    @property
    def busy(self) -> asyncio.Task[None] | None:
        """The task of the request under way."""
        return self._current.task if self._current is not None else None


def _address(name: Any) -> tuple[str, int] | None:
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None
