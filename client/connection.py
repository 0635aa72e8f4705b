"""One HTTP/1.1 connection: bytes in and out, one exchange at a time.

An asyncio.Protocol around httptools' parser. `send` starts an exchange; `head()` ends with the
answer's status and headers, `next_chunk()` gives body pieces until b"". Whoever leaves an exchange
before its end must `abort()` the connection: what follows on the wire would not be the next answer.

Invariants: at most one exchange at a time; `reusable` only after a whole answer on a connection
that the server keeps open; reading pauses while more than a megabyte waits to be consumed.
"""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

from client.headers import parse_warnings

_PAUSE_ABOVE_BYTES = 1 << 20


class ConnectionClosed(Exception):
    """The peer closed. `before_answer`: not one byte of the answer had come."""

    def __init__(self, message: str, *, before_answer: bool) -> None:
        super().__init__(message)
        self.before_answer = before_answer


class Connection(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._closed = True
        self.reusable = False
        self.exchanges = 0  # started on this connection
        self._waiter: asyncio.Future[None] | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        self._warning_values: list[str] = []
        self._head_done = False
        self._complete = False
        self._any_byte = False
        self._error: Exception | None = None
        self._chunks: list[bytes] = []
        self._buffered_bytes = 0
        self._paused = False
        self._streaming = False

    @property
    def warnings(self) -> tuple[str, ...]:
        return parse_warnings(self._warning_values) if self._warning_values else ()

    @property
    def is_open(self) -> bool:
        return not self._closed and self._transport is not None and not self._transport.is_closing()

    def send(self, data: bytes, *, streaming: bool = False) -> None:
        """Starts an exchange with a whole request. `streaming`: the body is consumed while it comes."""
        assert self._transport is not None
        if self.exchanges:
            self._begin()
        self._streaming = streaming
        self.exchanges += 1
        self.reusable = False
        self._transport.write(data)

    async def head(self) -> None:
        """Returns once `status` and `headers` are there. Raises ConnectionClosed, HttpParserError."""
        while not self._head_done:
            await self._wait()

    async def whole(self) -> bytes:
        """The whole body, once the answer is complete."""
        while not self._complete:
            await self._wait()
        if self._error is not None:
            raise self._error
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        self._buffered_bytes = 0
        return body

    async def next_chunk(self) -> bytes:
        """What has come since the last call, waiting for at least one byte; b"" at the end."""
        while not self._chunks and not self._complete:
            await self._wait()
        if self._chunks:
            data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            self._chunks = []
            self._buffered_bytes = 0
            if self._paused and self._transport is not None and not self._closed:
                self._paused = False
                self._transport.resume_reading()
            return data
        if self._error is not None:
            raise self._error
        return b""

    def abort(self) -> None:
        self._closed = True
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        self._closed = True
        self.reusable = False
        if self._transport is not None:
            self._transport.close()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closed:
            raise ConnectionClosed("the connection is closed", before_answer=not self._any_byte)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._error = error
        self._complete = self._head_done
        self.reusable = False
        self._wake()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._closed = False

    def data_received(self, data: bytes) -> None:
        self._any_byte = True
        if self._complete or not self.exchanges:
            self.abort()  # bytes that belong to no exchange
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)
            self.abort()
        except httptools.HttpParserUpgrade:
            self._fail(
                ConnectionClosed("the answer is an upgrade that nobody asked for", before_answer=False)
            )
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self.reusable = False
        if self._complete or not self.exchanges:
            return
        if exc is None and self._head_done and self._ends_with_connection():
            self._complete = True
            self._wake()
            return
        reason = f"connection lost: {exc}" if exc else "the server closed the connection"
        closed = ConnectionClosed(reason, before_answer=not self._any_byte)
        closed.__cause__ = exc
        self._fail(closed)

    def _ends_with_connection(self) -> bool:
        return "content-length" not in self.headers and "transfer-encoding" not in self.headers

    # httptools callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        if key == "warning":
            self._warning_values.append(text)
        self.headers[key] = text

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self.headers.clear()  # an interim answer; the real one follows
            return
        self.status = status
        self._head_done = True
        self._wake()

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._buffered_bytes += len(body)
        if self._streaming and not self._paused and self._buffered_bytes > _PAUSE_ABOVE_BYTES:
            assert self._transport is not None
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        if not self._head_done:
            return
        self._complete = True
        self.reusable = self._parser.should_keep_alive() and self.is_open
        self._wake()
