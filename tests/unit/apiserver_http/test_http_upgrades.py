"""Connections that leave HTTP: tunnels after a 101, websockets, and what is no upgrade."""

from __future__ import annotations

import asyncio

import pytest
from http_peer import HOST, Peer, talk

from apiserver.http.tunnel import Tunnel
from machinery.virtual_loop import run


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
