"""HTTP/1.1 on a connection: what is served, what is refused, and what too slow or too large a client gets.

A transport that only remembers stands for the socket; time is virtual, so every deadline is met to the second.
"""

from __future__ import annotations

import asyncio
import gc
import weakref

import httptools
import pytest

from apiserver.http.body import LIMIT_BYTES, ClientGone, read_body
from apiserver.http.protocol import Connection, Limits, Served
from apiserver.http.reply import Reply, error_reply, send_reply
from apiserver.http.tunnel import Tunnel
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

    def __init__(self, app=echo, limits=None, **wire):
        loop = asyncio.get_running_loop()
        self.served = Served(app, loop, limits or Limits(), None)
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


def test_request_in_pieces_is_one_request():
    whole = b"POST /a%20b?x=1 HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"
    peer = talk(*[whole[i : i + 1] for i in range(len(whole))])
    assert [(s, b) for s, _, b in peer.answers] == [(200, b"POST /a b?x=1 3")]
    assert not peer.wire.closed


def test_requests_sent_ahead_are_answered_in_order():
    asked = b"".join(b"GET /%d HTTP/1.1\r\n%b\r\n" % (i, HOST) for i in range(50))
    peer = talk(asked)
    assert [b for _, _, b in peer.answers] == [b"GET /%d? 0" % i for i in range(50)]


def test_reading_pauses_while_requests_wait():
    async def main():
        go = asyncio.Event()

        async def slow(scope, receive, send):
            await go.wait()
            await echo(scope, receive, send)

        peer = await Peer(slow).send((b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") * 3)
        assert not peer.wire.reading
        go.set()
        await peer.settle()
        assert peer.statuses == [200] * 3
        assert peer.wire.reading

    run(main())


def test_chunked_body_is_put_together_and_trailers_are_no_headers():
    seen = {}

    async def app(scope, receive, send):
        await echo(scope, receive, send)
        seen.update(scope["headers"])

    head = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    peer = talk(head + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nImpersonate-User: root\r\n\r\n", app=app)
    assert peer.answers[0][2] == b"POST /? 5"
    assert b"impersonate-user" not in seen


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Content-Length: +3\r\n",
        b"Content-Length: 3, 3\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"A: b\r\n c\r\n",
        b"A: b\x00c\r\n",
        b"Host: other\r\n",
    ],
)
def test_ambiguous_request_is_refused_and_what_follows_it_never_heard(lines):
    heard = []

    async def app(scope, receive, send):
        heard.append(scope["path"])
        await echo(scope, receive, send)

    body = b"3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
    peer = talk(b"POST /first HTTP/1.1\r\n" + HOST + lines + b"\r\n" + body, app=app)
    assert peer.statuses == [400]
    assert heard == []
    assert peer.answers[0][1]["connection"] == "close"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Upgrade: x\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\nabc",
            400,
        ),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Expect: the-unexpected\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"x" * 140_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 140_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
    ],
)
def test_request_that_cannot_be_served_is_refused_by_its_status(request_bytes, status):
    assert talk(request_bytes).statuses == [status]


def test_head_without_end_is_refused_when_it_has_grown_too_large():
    pieces = [b"GET / HTTP/1.1\r\nA: ", *[b"x" * 20_000] * 10]
    peer = talk(*pieces)
    assert peer.statuses == [431]


def test_trailers_without_end_are_refused():
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nT: "
    assert talk(head, *[b"x" * 20_000] * 10).statuses == [431]


def test_fault_behind_good_requests_is_told_after_their_answers():
    peer = talk((b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n") * 2 + b"nonsense\r\n\r\n")
    assert peer.statuses == [200, 200, 400]


def test_fault_within_a_body_ends_the_request():
    gone = []

    async def app(scope, receive, send):
        try:
            await read_body(receive, dict(scope["headers"]))
        except ClientGone:
            gone.append(True)

    head = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    peer = talk(head, b"3\r\nabc\r\n", b"zz\r\n", app=app)
    assert peer.statuses == [400]
    assert gone == [True]


def test_body_over_three_mib_is_refused_and_not_read_on():
    size = 1 << 33
    peer = talk(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size, b"x" * 1000)
    assert peer.statuses == [413]
    assert peer.answers[0][1]["connection"] == "close"


def test_body_of_unknown_length_is_refused_where_it_passes_three_mib():
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    piece = b"40000\r\n" + b"x" * 0x40000 + b"\r\n"
    peer = talk(head, *[piece] * (LIMIT_BYTES // 0x40000 + 2))
    assert peer.statuses == [413]


def test_expecting_client_is_told_to_go_on_only_when_the_body_is_wanted():
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    peer = talk(head % 3, b"abc")
    assert peer.wire.out.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    peer = talk(head % (1 << 30))
    assert peer.statuses == [413]


def test_unread_small_body_keeps_the_connection():
    async def app(scope, receive, send):
        await send_reply(send, Reply(401, b"no", b"text/plain"), [])

    head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\n"
    peer = talk(head, b"ab", b"cd" + head + b"wxyz", app=app)
    assert peer.statuses == [401, 401]
    assert not peer.wire.closed


def test_head_is_answered_without_a_body():
    peer = talk(b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert peer.wire.out.endswith(b"content-length: 9\r\n\r\n")


def test_stream_shows_its_head_before_its_first_byte_and_chunks_after():
    async def main():
        go = asyncio.Event()

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await go.wait()
            await send({"type": "http.response.body", "body": b"event", "more_body": True})
            await send({"type": "http.response.body"})

        peer = await Peer(app).send(b"GET /w HTTP/1.1\r\n" + HOST + b"\r\n")
        assert peer.wire.out == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        go.set()
        await peer.settle()
        assert peer.wire.out.endswith(b"\r\n\r\n5\r\nevent\r\n0\r\n\r\n")
        old = await Peer(app).send(b"GET /w HTTP/1.0\r\n\r\n")
        assert old.wire.out.endswith(b"\r\n\r\nevent")
        assert old.wire.closed and not old.wire.aborted

    run(main())


@pytest.mark.parametrize("value", [b"a\r\nX: y", b"a\nb", b"a\rb"])
def test_line_break_in_an_answers_header_ends_the_connection(value):
    async def app(scope, receive, send):
        await send_reply(send, Reply(200, b"x", b"text/plain", [(b"audit-id", value)]), [])

    assert talk(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", app=app).statuses == [500]


@pytest.mark.parametrize("body", [b"too long", b"x"])
def test_answer_unlike_its_length_ends_the_connection(body):
    async def app(scope, receive, send):
        headers = [(b"content-length", b"3")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    peer = talk(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", app=app)
    assert peer.wire.aborted


def test_failing_application_is_answered_for():
    async def app(scope, receive, send):
        raise ValueError("a fault of ours")

    assert talk(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", app=app).statuses == [500]


# What is too slow


@pytest.mark.parametrize(
    ("pieces", "seconds", "statuses"),
    [
        ([], 120, []),  # connected, and nothing said
        ([b"GET / HTTP/1.1\r\n"], 32, [408]),
        ([b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"], 120, [200]),
        ([b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nab"], 60, [408]),
    ],
)
def test_slow_client_is_let_go_at_its_deadline(pieces, seconds, statuses):
    async def main():
        peer = await Peer().send(*pieces)
        await peer.wait(seconds - 1)
        assert not peer.wire.closed
        await peer.wait(3)
        assert peer.wire.closed
        assert peer.statuses == statuses
        assert not peer.served.connections

    run(main())


def test_head_that_drips_has_no_longer_than_a_slow_one():
    async def main():
        peer = await Peer().send(b"GET / HTTP/1.1\r\n")
        for _ in range(40):
            await peer.send(b"A: b\r\n")
            await peer.wait(1)
        assert peer.statuses == [408]

    run(main())


def test_body_that_keeps_coming_is_waited_for():
    async def main():
        peer = await Peer().send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n")
        for _ in range(5):
            await peer.wait(50)
            await peer.send(b"x")
        assert peer.statuses == [200]

    run(main())


def test_reader_that_does_not_read_holds_the_answer_back_and_then_loses_it():
    async def main():
        sent = []

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for i in range(100):
                await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
                sent.append(i)

        peer = await Peer(app, limit=5000).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert len(sent) < 10
        peer.wire.read()
        await peer.settle()
        assert 5 < len(sent) < 20
        await peer.wait(119)
        assert not peer.wire.closed
        await peer.wait(2)
        assert peer.wire.aborted

    run(main())


def test_body_that_nobody_asks_for_is_not_read_ahead_for_ever():
    async def main():
        go = asyncio.Event()

        async def app(scope, receive, send):
            await go.wait()
            await echo(scope, receive, send)

        head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n"
        peer = await Peer(app).send(head, *[b"x" * 100_000] * 3)
        assert not peer.wire.reading
        go.set()
        await peer.settle()
        assert peer.wire.reading
        await peer.send(*[b"x" * 100_000] * 7)
        assert peer.answers[0][2] == b"POST /? 1000000"

    run(main())


# The end


def test_client_that_leaves_is_told_to_the_application():
    seen = []

    async def main():
        async def app(scope, receive, send):
            seen.append((await receive())["type"])
            seen.append((await receive())["type"])

        peer = await Peer(app).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        peer.wire.close()
        await peer.settle()

    run(main())
    assert seen == ["http.request", "http.disconnect"]


def test_lost_connection_is_gone_without_the_collector():
    async def main():
        peer = await Peer().send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        left = weakref.ref(peer.connection)
        peer.wire.close()
        await peer.settle()
        del peer.connection, peer.wire.protocol
        assert left() is None
        assert peer.served.lost == 1

    gc.disable()
    try:
        run(main())
    finally:
        gc.enable()


def test_stop_waits_for_what_a_client_that_left_had_begun():
    async def main():
        go = asyncio.Event()

        async def app(scope, receive, send):
            await go.wait()

        peer = await Peer(app).send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n")
        peer.wire.close()
        await peer.settle()
        assert len(peer.served.forsaken) == 1
        go.set()
        await peer.settle()
        assert not peer.served.forsaken

    run(main())


def test_stop_lets_the_request_under_way_end_and_closes_the_idle():
    async def main():
        go = asyncio.Event()

        async def app(scope, receive, send):
            await go.wait()
            await echo(scope, receive, send)

        busy = await Peer(app).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        idle = Peer(app)
        for peer in (busy, idle):
            peer.served.stopping = True
            peer.connection.stop()
        assert idle.wire.closed
        assert not busy.wire.closed
        go.set()
        await busy.settle()
        assert busy.answers[0][0] == 200
        assert busy.answers[0][1]["connection"] == "close"
        assert busy.wire.closed

    run(main())


def test_other_upgrades_are_answered_as_plain_requests():
    head = b"POST /exec HTTP/1.1\r\n" + HOST + b"Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\n"
    peer = talk(head + b"Content-Length: 0\r\n\r\n")
    assert [b for _, _, b in peer.answers] == [b"POST /exec? 0"]
    assert peer.wire.closed


UPGRADE = b"POST /exec HTTP/1.1\r\n" + HOST + b"Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\n\r\n"


async def raw_echo(scope, receive, send):
    """Takes the upgrade, returns what comes until `end` does."""
    assert scope["extensions"]["upgrade"] == {"protocol": b"SPDY/3.1"}
    upgrade = [(b"upgrade", b"SPDY/3.1")]
    await send({"type": "http.response.start", "status": 101, "headers": upgrade})
    while (message := await receive())["type"] == "http.request":
        assert message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": True})
        if message["body"].endswith(b"end"):
            await send({"type": "http.response.body"})


@pytest.mark.parametrize("body", [b"Content-Length: 0\r\n\r\n", b"\r\n"])
def test_upgrade_answered_with_101_carries_raw_bytes_both_ways(body):
    async def main():
        # What looks like a request is none any more.
        peer = await Peer(raw_echo).send(UPGRADE + body + b"\x80early", b"GET / HTTP/1.1\r\n\r\n")
        assert peer.wire.out == SWITCHED + b"\x80earlyGET / HTTP/1.1\r\n\r\n"
        await peer.wait(1000)
        assert not peer.wire.closed
        await peer.send(b"the end")
        assert peer.wire.closed and not peer.wire.aborted

    run(main())


def test_tunnel_holds_back_who_sends_more_than_is_taken_and_waits_for_who_reads_slowly():
    async def main():
        go, taken = asyncio.Event(), []

        async def app(scope, receive, send):
            await go.wait()
            await send({"type": "http.response.start", "status": 101, "headers": []})
            while (message := await receive())["type"] == "http.request":
                taken.append(message["body"])
                await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})

        peer = await Peer(app, limit=1500).send(UPGRADE + b"\r\n", *[b"y" * 65536] * 9)
        assert not peer.wire.reading
        go.set()
        await peer.settle()
        assert sum(map(len, taken)) == 5 * 65536 and peer.wire.reading
        await peer.send(*[b"y" * 65536] * 9)  # the client reads nothing
        assert not peer.wire.reading
        await peer.wait(1000)
        assert not peer.wire.closed
        peer.wire.read()
        await peer.settle()
        assert sum(map(len, taken)) > 9 * 65536
        peer.wire.close()
        await peer.settle()
        assert not peer.served.forsaken

    run(main())


@pytest.mark.parametrize("reads", [True, False])
def test_tunnel_is_closed_when_its_client_has_read_or_will_not(reads):
    async def main():
        async def app(scope, receive, send):
            tunnel = Tunnel(receive, send)
            await tunnel.open(b"SPDY/3.1", [])
            await tunnel.write(b"x" * 2000)
            await tunnel.close()

        peer = await Peer(app, limit=1000).send(UPGRADE + b"\r\n")
        await peer.wait(20)
        assert not peer.wire.closed
        if reads:
            peer.wire.read()
        await peer.wait(11)
        assert peer.wire.closed and peer.wire.aborted is not reads

    run(main())


def test_client_that_leaves_before_its_upgrade_is_answered_is_noticed():
    async def main():
        async def app(scope, receive, send):
            await receive()
            assert (await receive())["type"] == "http.disconnect"
            left.set()

        left = asyncio.Event()
        peer = await Peer(app).send(UPGRADE + b"\r\n")
        peer.wire.close()
        await asyncio.wait_for(left.wait(), 1)

    run(main())


def test_last_words_of_a_client_that_leaves_its_tunnel_are_heard():
    async def main():
        go, heard = asyncio.Event(), []

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 101, "headers": []})
            await go.wait()  # the other side takes its time
            while (message := await receive())["type"] == "http.request":
                heard.append(message["body"])

        peer = await Peer(app).send(UPGRADE + b"\r\n", b"last ", b"words")
        peer.wire.close()
        await peer.settle()
        go.set()
        await peer.settle()
        assert b"".join(heard) == b"last words" and not peer.served.forsaken

    run(main())


def test_upgrade_that_nobody_asked_for_is_not_answered():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 101, "headers": []})

    assert talk(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", app=app).statuses == [500]
    head = b"HEAD / HTTP/1.1\r\n" + HOST + b"Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n"
    assert talk(head, app=app).statuses == [500]


def test_websocket_to_a_tunnelled_path_stays_the_applications():
    async def main():
        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 101, "headers": []})
            await send({"type": "http.response.body", "body": scope["extensions"]["upgrade"]["protocol"]})

        peer = Peer(app)
        peer.served.tunnels = lambda path: path == "/proxy"
        await peer.send(
            b"GET /proxy HTTP/1.1\r\nhost: api\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n"
        )
        assert peer.wire.out.endswith(b"\r\n\r\nwebsocket") and peer.wire.closed

    run(main())


def test_websocket_is_handed_over_with_what_followed_its_head():
    taken = []

    async def main():
        peer = Peer()
        peer.served.upgrade = lambda transport, head, rest: taken.append((head, rest))
        head = b"GET /exec?stdin=1 HTTP/1.1\r\nhost: api\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n"
        await peer.send(head + b"frame")
        assert taken == [(head, b"frame")]
        assert not peer.served.connections

    run(main())
