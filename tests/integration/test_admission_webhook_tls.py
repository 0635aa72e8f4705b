"""The webhook client against a real server with TLS."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ipaddress
import random
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.webhook_client import CallFailed, WebhookClient

Obj = dict[str, Any]


def certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A server's context, and its own certificate as a caBundle."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks")])
    names = [x509.DNSName("hooks.a.svc"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(pem + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context, base64.b64encode(pem).decode()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Echoes the request's line and body, over and over on one connection."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(
                next(line[15:] for line in head.split("\r\n") if line.lower().startswith("content-length"))
            )
            body = await reader.readexactly(length)
            if b"sleep" in body:
                await asyncio.sleep(5)
            said = head.splitlines()[0].encode() + b"|" + body
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(said) + said)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def with_server(tmp_path: Path, body: Callable[[WebhookClient, int, str], Awaitable[None]]) -> None:
    async def main() -> None:
        context, bundle = certificate(tmp_path)
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]

        async def endpoints(namespace: str, name: str) -> tuple[Obj, list[Obj]]:
            service = {"spec": {"ports": [{"port": 443}]}}
            return service, [{"ports": [{"port": port}], "endpoints": [{"addresses": ["127.0.0.1"]}]}]

        client = WebhookClient(endpoints, random.Random(1))
        try:
            await body(client, port, bundle)
        finally:
            await client.close()
            server.close()
            await server.wait_closed()

    asyncio.run(main())


def test_url_and_service_are_called_with_their_bundle(tmp_path: Path) -> None:
    async def body(client: WebhookClient, port: int, bundle: str) -> None:
        by_url = {"url": f"https://127.0.0.1:{port}/check", "caBundle": bundle}
        for text in (b"one", b"two"):  # the second on the same connection
            assert await client.call(by_url, text, 5) == b"POST /check?timeout=5s HTTP/1.1|" + text
        service = {"name": "hooks", "namespace": "a", "path": "x"}
        assert b"POST /x?timeout=5s" in await client.call({"service": service, "caBundle": bundle}, b"b", 5)
        stranger = {**service, "name": "others"}
        with pytest.raises(
            CallFailed, match=r'Post "https://others.a.svc:443/x\?timeout=5s": .*others.a.svc'
        ):
            await client.call({"service": stranger, "caBundle": bundle}, b"b", 5)

    with_server(tmp_path, body)


def test_certificate_of_no_known_authority_is_refused(tmp_path: Path) -> None:
    async def body(client: WebhookClient, port: int, bundle: str) -> None:
        with pytest.raises(CallFailed, match="certificate verify failed"):
            await client.call({"url": f"https://127.0.0.1:{port}/check"}, b"x", 5)
        with pytest.raises(CallFailed, match="unable to load root certificates"):
            await client.call({"url": f"https://127.0.0.1:{port}/check", "caBundle": "eA=="}, b"x", 5)

    with_server(tmp_path, body)


def test_slow_or_absent_server_is_given_up(tmp_path: Path) -> None:
    async def body(client: WebhookClient, port: int, bundle: str) -> None:
        config = {"url": f"https://127.0.0.1:{port}/check", "caBundle": bundle}
        with pytest.raises(CallFailed, match="context deadline exceeded"):
            await client.call(config, b"sleep", 0.1)
        with pytest.raises(CallFailed, match="Post "):
            await client.call({**config, "url": "https://127.0.0.1:1/check"}, b"x", 5)

    with_server(tmp_path, body)
