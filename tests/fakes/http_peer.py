"""A connection to an application without a socket: a transport that only remembers stands for it, and time is virtual,
so every deadline is met to the second.
"""

from __future__ import annotations

import asyncio

import httptools

from apiserver.http.body import read_body
from apiserver.http.protocol import Connection
from apiserver.http.reply import Reply, error_reply, send_reply
from apiserver.http.served import Limits, Served
from machinery.errors import ApiError
from machinery.virtual_loop import run

HOST = b"Host: api\r\n"


class Wire(asyncio.Transport):
    """Remembers what was written; `limit` bytes without `read()` pause the writer."""

    def __init__(self, limit=1 << 30):
        super().__init__()
        self.out = bytearray()
        self.unread = 0
        self.limit = limit
        self.reading = True
        self.closed = self.aborted = False

    def get_extra_info(self, name, default=None):
        return {"peername": ("127.0.0.1", 4711), "sockname": ("127.0.0.1", 6443)}.get(name, default)

    def write(self, data):
        if self.closed:
            return
        self.out += data
        self.unread += len(data)
        if self.unread > self.limit:
            self.protocol.pause_writing()

    def writelines(self, pieces):
        self.write(b"".join(pieces))

    def read(self):
        self.unread = 0
        self.protocol.resume_writing()

    def pause_reading(self):
        self.reading = False

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def resume_reading(self):
        self.reading = True

    def is_closing(self):
        return self.closed

    def close(self):
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def abort(self):
        self.aborted = True
        self.close()


class Answers:
    """Parses what came back."""

    def __init__(self, data):
        self.answers = []
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(bytes(data))

    def on_message_begin(self):
        self._headers, self._body = {}, b""

    def on_header(self, name, value):
        self._headers[name.decode()] = value.decode()

    def on_body(self, body):
        self._body += body

    def on_message_complete(self):
        self.answers.append((self._parser.get_status_code(), self._headers, self._body))


async def echo(scope, receive, send):
    """Says what it was asked, with the body; the 3 MiB bound is the API server's own."""
    try:
        body = await read_body(receive, dict(scope["headers"]))
    except ApiError as error:
        await send_reply(send, error_reply(error), [])
        return
    text = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()} {len(body)}"
    await send_reply(send, Reply(200, text.encode(), b"text/plain"), [])


class Peer:
    """A connection to `app`, and the server's sweep once a second."""

    def __init__(self, app=echo, limits=None, served=None, **wire):
        loop = asyncio.get_running_loop()
        self.served = served or Served(app, loop, limits or Limits(), None)
        self.wire = Wire(**wire)
        self.connection = Connection(self.served)
        self.wire.protocol = self.connection
        self.connection.connection_made(self.wire)

    async def send(self, *pieces):
        for piece in pieces:
            if self.wire.reading and not self.wire.closed:
                self.connection.data_received(piece)
            await self.settle()
        return self

    async def settle(self):
        for _ in range(12):
            await asyncio.sleep(0)

    async def wait(self, seconds):
        for _ in range(int(seconds)):
            await asyncio.sleep(1)
            self.served.sweep()
        return self

    @property
    def answers(self):
        return Answers(self.wire.out).answers

    @property
    def statuses(self):
        return [status for status, _, _ in self.answers]


def talk(*pieces, app=echo, **options):
    async def main():
        peer = await Peer(app, **options).send(*pieces)
        await asyncio.sleep(0.001)  # whatever is ready runs
        return peer

    return run(main())
