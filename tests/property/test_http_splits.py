"""Requests sent ahead, cut anywhere, are the same requests: no byte lost, none twice, answers in their order, whatever the sizes
of bodies, pieces and answers, and however slowly the client reads."""

from __future__ import annotations

import hashlib

import pytest
from http_peer import HOST, Peer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.http.body import read_body
from apiserver.http.reply import Reply, end_stream, send_reply, start_stream
from machinery.virtual_loop import run

_EDGES = (0, 1, 2, 4095, 4096, 4097, 16383, 16384, 16385, 65535, 65536, 65537, 131_072, 400_001)
_SIZES = st.sampled_from(_EDGES) | st.integers(0, 300)
_PIECES = st.sampled_from((1, 3, 17, 4095, 4096, 4097, 70_000))


def content(size, seed):
    return (hashlib.sha256(b"%d" % seed).digest() * (size // 32 + 1))[:size]


def body_of(size, seed, pieces):
    """A request's body, as it stands on the wire."""
    data = content(size, seed)
    if not pieces:
        return b"Content-Length: %d\r\n\r\n%b" % (size, data)
    step = max(pieces, size // 500)
    parts = [data[at : at + step] for at in range(0, size, step)]
    chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nTrailer: x\r\n\r\n"


async def answering(scope, receive, send):
    """Path: /SIZE/SEED/h or s. Says what the body's digest is, then SIZE bytes, at once or as a stream."""
    _, size, seed, how = scope["path"].split("/")
    body = await read_body(receive, dict(scope["headers"]))
    told = hashlib.sha256(body).hexdigest().encode() + content(int(size), int(seed))
    if how == "h":
        await send_reply(send, Reply(200, told, b"text/plain"), [])
        return
    await start_stream(send, b"text/plain", [])
    for at in range(0, len(told), 50_000):
        await send({"type": "http.response.body", "body": told[at : at + 50_000], "more_body": True})
    await end_stream(send)


requests = st.lists(
    st.tuples(_SIZES, _SIZES, st.integers(0, 5), st.sampled_from(("h", "s")), st.none() | _PIECES),
    min_size=1,
    max_size=6,
)


async def converse(asked, cut, limit):
    wire = b"".join(
        b"POST /%d/%d/%b HTTP/1.1\r\n%b%b" % (size, seed, how.encode(), HOST, body_of(sent, index, pieces))
        for index, (size, sent, seed, how, pieces) in enumerate(asked)
    )
    peer = Peer(answering, limit=limit)
    step = max(cut, len(wire) // 4000)
    at = 0
    while at < len(wire) or len(peer.answers) < len(asked):
        if peer.wire.reading and at < len(wire):
            peer.connection.data_received(wire[at : at + step])
            at += step
            if at % (step * 16) and at < len(wire):
                continue
        before = len(peer.wire.out)
        peer.wire.read()
        await peer.settle()
        stuck = len(peer.wire.out) == before and not (peer.wire.reading and at < len(wire))
        assert not stuck or len(peer.answers) == len(asked), "nothing moves"
    return peer


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(asked=requests, cut=_PIECES, limit=st.sampled_from((1, 1000, 1 << 30)))
def test_requests_cut_anywhere_are_answered_in_full_and_in_order(asked, cut, limit):
    peer = run(converse(asked, cut, limit))
    expected = [
        hashlib.sha256(content(sent, index)).hexdigest().encode() + content(size, seed)
        for index, (size, sent, seed, _, _) in enumerate(asked)
    ]
    assert [body for _, _, body in peer.answers] == expected


@pytest.mark.parametrize("pieces", [None, 1, 7])
def test_request_that_comes_byte_by_byte_is_one(pieces):
    peer = run(converse([(10, 300, 1, "h", pieces), (0, 1, 2, "s", pieces)], 1, 1 << 30))
    assert len(peer.answers) == 2
