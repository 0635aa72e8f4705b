"""What too slow a client gets, and how connections end: by their client, by the server's stop, without a trace."""

from __future__ import annotations

import asyncio
import gc
import weakref

import orjson
import pytest
from http_peer import HOST, Peer, echo

from apiserver.http.exchange import WRITE_BYTES, Exchange
from apiserver.http.reply import Reply, send_reply
from apiserver.http.served import Limits
from machinery.virtual_loop import run


def living(kind):
    gc.collect()
    return sum(isinstance(each, kind) for each in gc.get_objects())


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


@pytest.mark.parametrize(("pause_s", "status"), [(10, 200), (14, 408)])
def test_body_has_no_longer_than_the_request_however_it_drips(pause_s, status):
    async def main():
        peer = await Peer().send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n")
        for _ in range(5):
            await peer.wait(pause_s)
            await peer.send(b"x")
        assert peer.statuses == [status]

    run(main())


def test_request_that_nobody_answers_is_answered_in_the_end():
    async def main():
        async def app(scope, receive, send):
            await asyncio.sleep(100)
            await send_reply(send, Reply(200, b"late"), [])

        peer = await Peer(app).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await peer.wait(59)
        assert not peer.answers
        await peer.wait(50)
        ((status, _, body),) = peer.answers
        assert status == 504 and orjson.loads(body)["reason"] == "Timeout"
        assert peer.wire.closed

    run(main())


@pytest.mark.parametrize(("announced", "is_cut_off"), [(True, True), (False, False)])
def test_answer_that_drips_is_cut_off_and_a_stream_is_not(announced, is_cut_off):
    async def main():
        async def app(scope, receive, send):
            headers = [(b"content-length", b"100000000")] if announced else []
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for _ in range(1000):
                await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})

        peer = await Peer(app, limit=1000).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        for _ in range(100):
            peer.wire.read()
            await peer.wait(1)
        assert peer.wire.aborted == is_cut_off

    run(main())


def test_close_that_does_not_come_to_an_end_is_cut_short():
    async def main():
        peer = await Peer().send(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert peer.wire.closed

        hanging = Peer()
        hanging.wire.close = lambda: setattr(
            hanging.wire, "closed", True
        )  # the client takes nothing, and does not leave
        hanging.wire.abort = lambda: setattr(hanging.wire, "aborted", True)
        await hanging.send(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        await hanging.wait(9)
        assert hanging.wire.closed and not hanging.wire.aborted
        await hanging.wait(2)
        assert hanging.wire.aborted

    run(main())


# What comes in floods


def test_requests_sent_ahead_wait_as_the_bytes_they_came_as():
    count = 5000

    async def main():
        go = asyncio.Event()

        async def app(scope, receive, send):
            await go.wait()
            await send_reply(send, Reply(200, scope["path"].encode()), [])

        flood = b"".join(b"GET /%d HTTP/1.1\r\n%b\r\n" % (index, HOST) for index in range(count))
        before = living(Exchange)
        peer = await Peer(app).send(flood, flood)
        assert not peer.wire.reading
        assert living(Exchange) - before < 200
        go.set()
        await asyncio.sleep(1)
        assert [body for _, _, body in peer.answers] == [b"/%d" % index for index in range(count)]
        assert peer.wire.reading

    run(main())


def test_head_of_very_many_short_lines_is_refused():
    async def main():
        peer = await Peer().send(b"GET / HTTP/1.1\r\n" + HOST + b"A:\r\n" * 20_000 + b"\r\n")
        assert peer.statuses == [431]

    run(main())


def test_connection_too_many_ends_the_one_that_waited_longest_and_none_that_is_busy():
    async def main():
        go = asyncio.Event()

        async def app(scope, receive, send):
            await go.wait()
            await echo(scope, receive, send)

        limits = Limits(connections=2)
        busy = await Peer(app, limits).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        idle, newer, newest = (Peer(app, served=busy.served) for _ in range(3))
        assert idle.wire.closed and newer.wire.closed and not busy.wire.closed
        await newest.settle()
        await newest.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        one_more = Peer(app, served=busy.served)
        assert one_more.wire.aborted and not newest.wire.closed
        go.set()
        await newest.settle()
        assert busy.statuses == newest.statuses == [200]

    run(main())


def test_websockets_count_among_the_connections():
    async def main():
        first = Peer(limits=Limits(connections=2))
        first.served.upgraded = lambda: 1
        assert Peer(served=first.served).wire.closed is False
        assert first.wire.closed  # it was idle
        await first.settle()
        first.served.upgraded = lambda: 2
        assert Peer(served=first.served).wire.closed is False
        assert len(first.served.connections) == 2

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


def test_log_that_somebody_looks_at_in_a_pager_goes_on_after_hours_and_what_is_asked_next_does_not():
    async def main():
        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for i in range(20):
                await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": i < 19})

        requests = b"".join(b"GET /p/%b HTTP/1.1\r\n%b\r\n" % (path, HOST) for path in (b"log", b"logs"))
        peer = await Peer(app, limit=5000).send(requests)
        while not peer.answers:
            await peer.wait(600)
            assert not peer.wire.closed
            peer.wire.read()
            await peer.settle()
        assert len(peer.answers) == 1
        await peer.wait(122)
        assert peer.wire.closed

    run(main())


def test_log_that_nobody_reads_for_four_hours_is_cut_off():
    async def main():
        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(20):
                await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})

        peer = await Peer(app, limit=5000).send(b"GET /p/log HTTP/1.1\r\n" + HOST + b"\r\n")
        await peer.wait(4 * 3600 - 1)
        assert not peer.wire.aborted
        await peer.wait(2)
        assert peer.wire.aborted

    run(main())


@pytest.mark.parametrize("announced", [True, False])
def test_long_answer_leaves_as_fast_as_it_is_read(announced):
    body = bytes(range(256)) * 4096

    async def main():
        async def app(scope, receive, send):
            headers = [(b"content-length", b"%d" % len(body))] if announced else []
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

        limit = 1000
        peer = await Peer(app, limit=limit).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        while not peer.answers:
            assert peer.wire.unread <= limit + WRITE_BYTES
            peer.wire.read()
            await peer.settle()
        assert peer.answers[0][2] == body

    run(main())


def test_client_that_leaves_in_the_midst_of_a_long_answer_is_sent_no_more():
    async def main():
        ended = []

        async def app(scope, receive, send):
            await send_reply(send, Reply(200, bytes(1_000_000)), [])
            ended.append(True)

        peer = await Peer(app, limit=1000).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        peer.wire.close()
        await peer.settle()
        assert ended and len(peer.wire.out) < 2 * WRITE_BYTES

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
