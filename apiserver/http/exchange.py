"""One HTTP/1.1 request and its answer, as the ASGI application meets them: `receive` and `send`.

Made by a Connection when a request's headers are whole; the connection adds the body as it comes. An answer of known
length leaves together with its head, in one write; a stream's head leaves at once, so that a watch is seen to be open.
What the client would wait for is never held back: nothing is buffered here beyond the head. What is long leaves in pieces, each
when the client has taken what came before.

Invariants: `receive` gives each byte of the body once, then waits for the end of the exchange; a client that asked for
`100 Continue` gets it when, and only when, the application wants the body; an answer that breaks its own announcement
(more or fewer bytes than its length, a header with a line break) ends the connection instead of confusing the next.

An upgrade (`scope["extensions"]["upgrade"]` names what was asked for) is taken by an answer that starts with status 101:
from then on the body, both ways, is the connection's bytes as they are, until the last piece is sent.
"""

from __future__ import annotations

import asyncio
import http
from typing import Any, Protocol

from apiserver.http.reply import Message, Scope

# A body waits here until it is asked for; with this much of it the client is asked to wait, too.
BODY_AHEAD_BYTES = 256 * 1024
# Up to here head and body are joined into one piece of memory, which is one TLS record fewer.
_JOINED_BYTES = 16 * 1024
# Of an answer written at once. Between two such pieces the client is waited for, so that one which does not read costs little;
# and what TLS encrypts into never shrinks, but grows to what was written at once.
WRITE_BYTES = 64 * 1024
# What has come this far is a very long list, of which few are under way at a time: four such pieces take a twentieth less.
_LONG_BYTES = 1024 * 1024


def _status_line(status: int) -> bytes:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


STATUS_LINES = {status: _status_line(status) for status in range(100, 600)}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


class Link(Protocol):
    """What an exchange asks of its connection."""

    transport: asyncio.Transport
    write_paused: bool

    async def drain(self) -> None: ...

    def chunk(self, body: bytes) -> bytes:
        """As a chunk of a stream; nothing is none."""

    def want_body(self) -> None:
        """The application waits for more of the body."""

    def answered(self, exchange: Exchange) -> None:
        """The last byte of the answer is written."""

    def streams(self) -> None:
        """The answer has begun and tells no length: it may last."""

    def switched(self, exchange: Exchange) -> None:
        """The answer was 101: all bytes that come are the exchange's."""


class Exchange:
    __slots__ = (
        "_chunked",
        "_expects_continue",
        "_head",
        "_left",
        "_link",
        "_raw",
        "_sent",
        "_to_the_end",
        "_waiter",
        "body_whole",
        "buffered",
        "chunks",
        "done",
        "gone",
        "handed",
        "is_head",
        "keep_alive",
        "old",
        "scope",
        "started",
        "task",
    )

    def __init__(
        self, link: Link, scope: Scope, *, keep_alive: bool, expects_continue: bool, old: bool
    ) -> None:
        """`old`: an HTTP/1.0 client, which knows no chunks."""
        self._link = link
        self.scope = scope
        self.keep_alive = keep_alive
        self.old = old
        self._expects_continue = expects_continue
        self.is_head = scope["method"] == "HEAD"
        self.chunks: list[bytes] = []
        self.buffered = 0
        self.body_whole = False  # all of it has come
        self.handed = False  # all of it was given to the application
        self.gone = False  # the client left
        self.started = False
        self.done = False
        self.task: asyncio.Task[None] | None = None
        self._head = b""  # written with the first piece of the body
        self._sent = 0  # of what was too long for one write
        self._left = 0  # bytes still to come by the announced length
        self._chunked = False
        self._to_the_end = False  # the end of the connection is the end of the body
        self._raw = False  # after a 101
        self._waiter: asyncio.Future[None] | None = None

    # What the connection tells

    def add_body(self, data: bytes) -> None:
        if not self.done:
            self.chunks.append(data)
            self.buffered += len(data)
            self.wake()

    def end_body(self) -> None:
        self.body_whole = True
        self.wake()

    def leave(self) -> None:
        """The client is gone, or is not listened to any more."""
        self.gone = True
        self.wake()

    def wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # What the application calls

    async def receive(self) -> Message:
        if self._expects_continue and not (self.body_whole or self.started or self.gone):
            self._expects_continue = False
            self._link.transport.write(CONTINUE)
        # Who leaves after an upgrade may have said something before; a request that is not whole is as if it never was.
        while not self.done and (not self.gone or (self._raw and self.chunks)):
            if self.chunks or (self.body_whole and not self.handed):
                chunks = self.chunks
                body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
                self.chunks, self.buffered = [], 0
                self.handed = self.body_whole
                return {"type": "http.request", "body": body, "more_body": not self.body_whole}
            if not self.body_whole:
                self._link.want_body()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Raises RuntimeError where the messages are out of order or break what was announced."""
        link = self._link
        if link.write_paused and not self.gone:
            await link.drain()
        if self.gone:
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], message.get("headers") or ())
            if self._chunked:
                message["write"] = self.write
            return
        if not self.started or self.done:
            raise RuntimeError(f"{message['type']} where none is expected")
        body: bytes = message.get("body", b"")
        last = not message.get("more_body", False)
        if self.is_head:
            body = b""
        elif self._chunked:
            body = link.chunk(body)
            if last:
                body += _LAST_CHUNK
        elif not self._to_the_end:
            self._left -= len(body)
            if self._left < 0 or (last and self._left):
                raise RuntimeError("the answer's body is not as long as announced")
        head, self._head = self._head, b""
        if len(body) > WRITE_BYTES:
            if not await self._write_long(head, body):
                return
        elif not head:
            if body:
                link.transport.write(body)
        elif len(body) <= _JOINED_BYTES:
            link.transport.write(head + body)
        else:
            link.transport.writelines((head, body))
        if last:
            self.done = True
            self.wake()
            link.answered(self)

    async def _write_long(self, head: bytes, body: bytes) -> bool:
        """False where the client left in the midst of it."""
        link = self._link
        view = memoryview(body)
        step = WRITE_BYTES if self._sent < _LONG_BYTES else 4 * WRITE_BYTES
        self._sent += len(view)
        link.transport.writelines((head, view[:step]) if head else (view[:step],))
        for at in range(step, len(view), step):
            if link.write_paused:
                try:
                    await link.drain()
                except BaseException:  # an end, or a next answer, would be read as the rest of what was begun
                    self.leave()
                    link.transport.abort()
                    raise
            if self.gone:
                return False
            link.transport.write(view[at : at + step])
        return True

    def write(self, body: bytes) -> bool:
        """Some of a stream, sent at once and without a turn of a task. False, and nothing is done, where the client does not read
        fast enough or is gone: `send` waits then. It is left in the message that begins the stream."""
        if self._link.write_paused or self.gone or self.done:
            return False
        if body:
            self._link.transport.write(self._link.chunk(body))
        return True

    def _start(self, status: int, headers: Any) -> None:
        if self.started:
            raise RuntimeError("an answer begins twice")
        if status == 101:
            self._switch(headers)
            return
        lines = [STATUS_LINES[status]]
        length = None
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive = False
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        if not self.body_whole and not self._ends_soon():
            self.keep_alive = False
        bodiless = status in (204, 304)
        if length is not None:
            self._left = 0 if self.is_head or bodiless else length
        elif not (self.is_head or bodiless):
            if self.old:
                self.keep_alive = False
                self._to_the_end = True
            else:
                self._chunked = True
                lines.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        head = _head(lines)
        self.started = True
        if length is None:
            self._link.streams()
            self._link.transport.write(head)
        else:
            self._head = head

    def _switch(self, headers: Any) -> None:
        if "upgrade" not in self.scope["extensions"]:
            raise RuntimeError("an upgrade that nobody asked for")
        lines = [STATUS_LINES[101], b"connection: Upgrade\r\n"]
        lines += [b"%b: %b\r\n" % header for header in headers]
        head = _head(lines)
        self.started = self._to_the_end = self._raw = True
        self.keep_alive = self.body_whole = self.handed = False
        self._link.transport.write(head)
        self._link.switched(self)

    def _ends_soon(self) -> bool:
        """Whether what is left of an unread body is worth reading for the sake of the connection."""
        if self._expects_continue:
            return False
        for name, value in self.scope["headers"]:
            if name == b"content-length":
                return len(value) < 10 and int(value) <= BODY_AHEAD_BYTES
        return False


def _head(lines: list[bytes]) -> bytes:
    head = b"".join(lines)
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
        raise RuntimeError("a header of the answer holds a line break")
    return head + b"\r\n"
