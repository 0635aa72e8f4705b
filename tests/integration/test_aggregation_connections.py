"""Over a socket: websockets and other upgrades are relayed to an extension API server, and kubectl shows its metrics."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path

import pytest
from extension_server import BASE, World, over_tls, with_world

from machinery.gvk import NODES


def test_websocket_is_relayed_both_ways(tmp_path: Path) -> None:
    from websockets.asyncio.client import connect

    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")

        async def talk(port: int, context: ssl.SSLContext) -> None:
            url = f"wss://127.0.0.1:{port}{BASE}/nodes/n1/talk"
            async with connect(url, ssl=context, subprotocols=["echo.example.com"], proxy=None) as socket:
                assert socket.subprotocol == "echo.example.com" and await socket.recv() == "jané"
                await socket.send(b"abc")
                assert await socket.recv() == b"cba"

        await over_tls(world, talk)

    with_world(tmp_path, body)


def test_other_upgrades_are_relayed_byte_for_byte(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")

        async def talk(port: int, context: ssl.SSLContext) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            head = [
                f"POST {BASE}/nodes/n1/shell?x=1 HTTP/1.1",
                "Host: api",
                "Connection: Upgrade",
                "Upgrade: SPDY/3.1",
            ]
            head += [
                "X-Stream-Protocol-Version: v4",
                "X-Stream-Protocol-Version: v3",
                "X-Remote-User: mallory",
            ]
            writer.write("\r\n".join([*head, "", ""]).encode() + b"abc")
            answer = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).lower()
            assert answer.startswith(b"http/1.1 101 ") and b"\r\nupgrade: spdy/3.1\r\n" in answer
            assert b"\r\nx-of-mine: yes\r\n" in answer and b"\r\naudit-id: " in answer
            assert await asyncio.wait_for(reader.readexactly(3), 10) == b"cba"
            writer.write(b"def")
            assert await asyncio.wait_for(reader.readexactly(3), 10) == b"fed"
            writer.close()

        await over_tls(world, talk)
        method, path, headers = world.extension.seen[-1]
        assert (method, path) == ("POST", f"{BASE}/nodes/n1/shell?x=1")
        assert [value for name, value in headers if name == "x-stream-protocol-version"] == ["v4", "v3"]
        assert [value for name, value in headers if name == "x-remote-user"] == ["jané"]

    with_world(tmp_path, body)


@pytest.mark.kubectl
def test_kubectl_top_nodes_shows_the_extensions_metrics(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")
        amounts = {"cpu": "1", "memory": "1Gi"}
        await world.client.create(
            NODES, {"metadata": {"name": "n1"}, "status": {"capacity": amounts, "allocatable": amounts}}
        )

        async def top(port: int, context: ssl.SSLContext) -> None:
            flags = (f"--server=https://127.0.0.1:{port}", f"--certificate-authority={world.pki / 'ca.crt'}")
            process = await asyncio.create_subprocess_exec(
                "kubectl",
                "top",
                "nodes",
                "--token=any",
                *flags,
                f"--cache-dir={tmp_path / 'cache'}",
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            )
            out, err = await asyncio.wait_for(process.communicate(), 20)
            assert process.returncode == 0, err.decode()
            rows = [line.split() for line in out.decode().splitlines()]
            assert rows[1] == ["n1", "250m", "25%", "128Mi", "12%"]

        await over_tls(world, top)

    with_world(tmp_path, body)
