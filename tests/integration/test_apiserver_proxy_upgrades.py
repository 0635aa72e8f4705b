"""Upgrades through the proxy subresources: websockets and any other protocol pass byte for byte to a pod, or do not."""

from __future__ import annotations

import asyncio
import base64
import random

import orjson
import pytest
from proxied_pod import PROXY, cluster
from spdy_client import ask
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import InvalidStatus

TOKEN = base64.urlsafe_b64encode(b"secret").decode().rstrip("=")
UPGRADE = "Connection: Upgrade\r\nUpgrade: echo/1\r\n"


class Backend:
    """A pod's server: speaks `echo/1` to who asks to upgrade to it, tells others 426."""

    def __init__(self):
        self.heads = []
        self.left = asyncio.Event()

    async def __call__(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode())
        if b"\r\nupgrade: echo/1\r\n" in head:
            answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n"
            writer.write(answer + b"X-Mine: 1\r\nX-Mine-Too: 2\r\n\r\nhello ")
            while piece := await reader.read(65536):
                if piece.endswith(b"bye"):
                    break
                writer.write(piece)
                await writer.drain()
        else:
            writer.write(b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: echo/1\r\nContent-Length: 4\r\n\r\necho")
        self.left.set()
        writer.close()


def with_backend(test):
    """Runs `test(address, authorizer, backend)`."""

    async def main():
        backend = Backend()
        listening = await asyncio.start_server(backend, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        async with listening, cluster(port) as (address, authorizer):
            await test(address, authorizer, backend)

    asyncio.run(main())


def test_any_upgrade_is_relayed_byte_for_byte_after_the_pods_101():
    async def test(address, authorizer, backend):
        named = {"Authorization": "Bearer secret", "X-Kept": "yes", "Impersonate-User": "jane"}
        named |= {
            "Connection": "X-Near",
            "X-Near": "secret",
            "Proxy-Authorization": "Basic secret",
            "TE": "trailers",
        }
        status, headers, reader, writer = await ask(
            address, f"{PROXY}/a%20b?c=d", ["one", "two"], upgrade="echo/1", headers=named
        )
        assert status == 101
        assert (headers["upgrade"], headers["connection"]) == (["echo/1"], ["Upgrade"])
        assert (headers["x-mine"], headers["x-mine-too"]) == (["1"], ["2"])
        assert await reader.readexactly(6) == b"hello "
        data = random.Random(1).randbytes(2_000_000)
        sending = asyncio.ensure_future(_write(writer, data))
        assert await asyncio.wait_for(reader.readexactly(len(data)), 10) == data
        await sending
        writer.write(b"bye")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        head = backend.heads[0]
        assert head.startswith("POST /a%20b?c=d HTTP/1.1\r\n") and "\r\nx-kept: yes\r\n" in head
        assert "authorization" not in head and "impersonate" not in head
        assert "x-near" not in head and "\r\nte: " not in head
        assert head.count("\r\nx-stream-protocol-version: ") == 2
        assert authorizer.asked == [
            ("admin", "impersonate", "users", ""),
            ("jane", "create", "pods", "proxy"),
        ]

    with_backend(test)


async def _write(writer, data):
    writer.write(data)
    await writer.drain()


def test_client_that_leaves_is_left_by_the_pod():
    async def test(address, authorizer, backend):
        _, _, reader, writer = await ask(address, PROXY, [], upgrade="echo/1")
        await reader.readexactly(6)
        writer.close()
        await asyncio.wait_for(backend.left.wait(), 5)

    with_backend(test)


def test_pods_refusal_is_an_ordinary_answer():
    async def test(address, authorizer, backend):
        status, headers, reader, writer = await ask(address, PROXY, [], upgrade="other/1")
        assert status == 426 and headers["upgrade"] == ["echo/1"]
        assert b"echo" in await reader.read()
        writer.close()

    with_backend(test)


def test_upgrade_needs_what_its_method_needs_and_nodes_agents_are_asked_for_none():
    async def test(address, authorizer, backend):
        authorizer.refused.add("create")
        status, _, _, writer = await ask(address, PROXY, [], upgrade="echo/1")
        assert status == 403
        writer.close()
        with pytest.raises(InvalidStatus) as caught:
            async with connect(f"ws://{address}/api/v1/nodes/n1/proxy/exec/default/p/c", proxy=None):
                pass
        assert caught.value.response.status_code == 400
        assert "not passed on to a node's agent" in orjson.loads(caught.value.response.body)["message"]
        assert backend.heads == []

    with_backend(test)


def test_websocket_is_the_pods_own_with_its_extensions_but_without_the_callers_token():
    async def main():
        seen = []

        async def echo(socket):
            seen.append((socket.request.path, socket.request.headers.get_all("Sec-WebSocket-Protocol")))
            async for message in socket:
                await socket.send(message)

        pod = await serve(echo, "127.0.0.1", 0, subprotocols=["chat"])
        port = pod.sockets[0].getsockname()[1]
        async with pod, cluster(port) as (address, authorizer):
            offered = [f"base64url.bearer.authorization.k8s.io.{TOKEN}", "chat"]
            uri = f"ws://{address}{PROXY}/talk?x=1"
            async with connect(uri, subprotocols=offered, proxy=None) as socket:
                assert socket.subprotocol == "chat"
                assert [each.name for each in socket.protocol.extensions] == ["permessage-deflate"]
                await socket.send("a" * 200_000)
                assert await socket.recv() == "a" * 200_000
                await asyncio.wait_for(await socket.ping(), 5)
        assert seen == [("/talk?x=1", ["chat"])]
        assert authorizer.asked == [("admin", "get", "pods", "proxy")]

    asyncio.run(main())


@pytest.mark.parametrize(
    "path",
    [
        "/apis/apps/v1/namespaces/default/pods/p/proxy/",  # who may do all in another group may do nothing here
        "/apis/apps/v1/nodes/n1/proxy/",
        "/api/v1/namespaces/default/nodes/n1/proxy/",  # nor who may do all in one namespace
        "/api/v9/namespaces/default/pods/p/proxy/",
        "/api/v1/pods/p/proxy/",
        "/api/v1/watch/namespaces/default/pods/p/proxy/",
    ],
)
def test_proxy_is_reached_by_its_own_path_alone(path):
    async def test(address, authorizer, backend):
        for method, headers in (("GET", ""), ("POST", "Content-Length: 0\r\n"), ("GET", UPGRADE)):
            reader, writer = await asyncio.open_connection(*address.split(":"))
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
            status = int((await asyncio.wait_for(reader.readline(), 10)).split()[1])
            writer.close()
            if method == "POST" and "/watch/" in path:
                continue  # it is a create, whatever the path is
            assert status in (404, 405), (method, status)
        assert "/watch/" in path or backend.heads == []

    with_backend(test)
