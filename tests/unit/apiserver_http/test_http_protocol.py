"""HTTP/1.1 on a connection: what is served and what is refused."""

from __future__ import annotations

import asyncio

import pytest
from http_peer import HOST, Peer, echo, talk

from apiserver.http.body import LIMIT_BYTES, ClientGone, read_body
from apiserver.http.reply import Reply, send_reply
from machinery.virtual_loop import run


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
