"""A kubeconfig that changes: its credentials are taken up by every new connection, and no old connection is used again."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from https_world import Authority

from client import renewal
from client.kubeconfig import load
from client.renewal import follow_kubeconfig
from machinery.clock import SystemClock


def write_kubeconfig(path: Path, port: int, authority: Authority, pair: tuple[Path, Path]) -> None:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority.file)}}
        ],
        "users": [{"name": "u", "user": {"client-certificate": str(pair[0]), "client-key": str(pair[1])}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }  # fmt: skip
    path.write_text(json.dumps(content))


def test_renewed_certificate_is_shown_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    first = authority.issue("client", "first")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer: Any = writer.get_extra_info("peercert")
        name = dict(pair for rdn in peer["subject"] for pair in rdn)["commonName"].encode()
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(name) + name)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        context = authority.server_context()
        context.load_verify_locations(authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        file = tmp_path / "kubeconfig"
        write_kubeconfig(file, server.sockets[0].getsockname()[1], authority, first)
        transport = load(str(file)).transport()
        running = asyncio.ensure_future(follow_kubeconfig(str(file), transport, SystemClock()))
        assert (await transport.request("GET", "/")).body == b"first"
        authority.issue("client", "second")
        for _ in range(200):
            if (await transport.request("GET", "/")).body == b"second":
                break
            await asyncio.sleep(0.01)
        assert (await transport.request("GET", "/")).body == b"second"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await transport.close()
        server.close()
        await server.wait_closed()

    monkeypatch.setattr(renewal, "EVERY_S", 0.01)
    asyncio.run(main())
