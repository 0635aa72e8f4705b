"""A stream that ends while its client has not taken all of it: what was begun is never taken for whole."""

from __future__ import annotations

import asyncio

import pytest
from http_peer import HOST, Peer

from apiserver.http.exchange import WRITE_BYTES
from apiserver.http.reply import Reply, end_stream, send_reply, start_stream
from apiserver.http.watch_stream import Streams, serve_stream
from machinery.virtual_loop import run


@pytest.mark.parametrize("size", [WRITE_BYTES - 100, WRITE_BYTES + 1, 5 * WRITE_BYTES])
def test_stream_whose_time_is_up_within_a_long_piece_is_cut_off_and_not_ended(size):
    async def main():
        async def app(scope, receive, send):
            async def body():
                for _ in range(3):
                    await send({"type": "http.response.body", "body": b"x" * size, "more_body": True})

            await start_stream(send, b"text/plain", [])
            await serve_stream(receive, Streams(), 10.0, body)
            await end_stream(send)

        peer = await Peer(app, limit=WRITE_BYTES // 2).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await peer.wait(11)
        peer.wire.read()
        await peer.settle()
        _, _, framed = bytes(peer.wire.out).partition(b"\r\n\r\n")
        is_whole = framed == (b"%x\r\n%b\r\n" % (size, b"x" * size)) + b"0\r\n\r\n"
        assert is_whole == (size <= WRITE_BYTES)
        assert peer.wire.aborted != is_whole

    run(main())


def test_request_answered_in_the_applications_stead_is_waited_for_at_a_stop():
    async def main():
        ended = asyncio.Event()

        async def app(scope, receive, send):
            await asyncio.sleep(100)
            ended.set()

        peer = await Peer(app).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await peer.wait(65)
        assert peer.statuses == [504] and not peer.served.connections
        (task,) = peer.served.forsaken
        await task
        assert ended.is_set() and not peer.served.forsaken

    run(main())


@pytest.mark.parametrize(("path", "statuses"), [(b"/mine", [504]), (b"/theirs", [200])])
def test_what_another_server_answers_may_take_its_time(path, statuses):
    async def main():
        async def app(scope, receive, send):
            await asyncio.sleep(1000)
            await send_reply(send, Reply(200, b"late"), [])

        peer = Peer(app)
        peer.served.tunnels = lambda path: path == "/theirs"
        await peer.send(b"GET %b HTTP/1.1\r\n%b\r\n" % (path, HOST))
        await peer.wait(1002)
        assert peer.statuses == statuses

    run(main())
