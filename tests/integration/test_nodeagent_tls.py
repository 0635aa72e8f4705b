"""The streaming server on a real TLS port: only the API server's certificate gets in, and sockets carry all forms."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from client.subprotocols import accept_kubernetes_subprotocols
from machinery.clock import SystemClock
from nodeagent.server.asgi import Query, Scope, WebSocket, answer
from nodeagent.server.port_forward import SPDY_PROTOCOL
from nodeagent.server.serve import ServeConfig, listen, serve

Key = ec.EllipticCurvePrivateKey


def certificate(
    name: str, group: str, issuer: tuple[x509.Certificate, Key] | None, hours: int = 1
) -> tuple[x509.Certificate, Key]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=hours))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
    )
    signer = issuer[1] if issuer else key
    return builder.sign(signer, hashes.SHA256()), key


def write(directory: Path, name: str, pair: tuple[x509.Certificate, Key]) -> tuple[str, str]:
    cert, key = directory / f"{name}.crt", directory / f"{name}.key"
    cert.write_bytes(pair[0].public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        pair[1].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(cert), str(key)


@pytest.fixture
def pki(tmp_path: Path) -> dict[str, tuple[str, str]]:
    ca = certificate("ca", "kctl", None)
    stranger = certificate("other-ca", "kctl", None)
    made = {
        "ca": ca,
        "node": certificate("system:node:n", "system:nodes", ca),
        "api": certificate("kube-apiserver-kubelet-client", "system:masters", ca),
        "user": certificate("somebody", "people", ca),
        "renewed": certificate("system:node:renewed", "system:nodes", ca, hours=2),
        "foreign": certificate("kube-apiserver-kubelet-client", "system:masters", stranger),
    }
    return {name: write(tmp_path, name, pair) for name, pair in made.items()}


async def app(scope: Scope, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await answer(send, 200, f"hello {Query(scope).get('who')}".encode())
        return
    socket = WebSocket(scope, receive, send)
    await socket.accept(socket.offered[0])
    while (message := await socket.receive()) is not None:
        await socket.send(message[::-1])


def run(pki: dict[str, tuple[str, str]], test: Any, served: Any = app) -> None:
    async def main() -> None:
        listener = listen("127.0.0.1", 0)
        port = listener.getsockname()[1]
        renewed = str(Path(pki["ca"][0]).with_name("current.pem"))
        config = ServeConfig("127.0.0.1", port, *pki["node"], pki["ca"][0], renewed_file=renewed)
        server = asyncio.create_task(serve(served, config, listener, SystemClock()))
        try:
            await asyncio.wait_for(test(port), 20)
        finally:
            server.cancel()
            await asyncio.gather(server, return_exceptions=True)
            listener.close()

    asyncio.run(main())


def context(pki: dict[str, tuple[str, str]], who: str) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=pki["ca"][0])
    if who:
        made.load_cert_chain(*pki[who])
    return made


async def get(port: int, tls: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        writer.write(b"GET /x?who=me HTTP/1.1\r\nhost: n\r\nconnection: close\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()


def test_renewed_certificate_is_shown_to_who_comes_next(pki: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeagent.server.serve.FOLLOW_EVERY_S", 0.01)

    async def shown(port: int) -> bytes:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context(pki, "api"))
        writer.close()
        return bytes(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))

    given, renewed = (
        x509.load_pem_x509_certificate(Path(pki[name][0]).read_bytes()).public_bytes(
            serialization.Encoding.DER
        )
        for name in ("node", "renewed")
    )
    both = b"".join(Path(file).read_bytes() for file in pki["renewed"])

    async def test(port: int) -> None:
        assert await shown(port) == given
        Path(pki["ca"][0]).with_name("current.pem").write_bytes(both)
        while True:
            if await shown(port) == renewed:
                return
            await asyncio.sleep(0.01)

    run(pki, test)


def test_api_server_is_served_and_others_are_cut_off(pki: Any) -> None:
    async def test(port: int) -> None:
        answered = await get(port, context(pki, "api"))
        assert answered.startswith(b"HTTP/1.1 200") and answered.endswith(b"hello me")
        for who in ("user", "", "foreign"):
            try:
                refused = await get(port, context(pki, who))
            except OSError:
                refused = b""
            assert b"hello" not in refused, who

    run(pki, test)


def test_websockets_carry_kubernetes_subprotocols(pki: Any) -> None:
    from websockets.asyncio.client import connect

    accept_kubernetes_subprotocols()

    async def test(port: int) -> None:
        for name in ("v5.channel.k8s.io", SPDY_PROTOCOL):
            async with connect(
                f"wss://127.0.0.1:{port}/exec", ssl=context(pki, "api"), subprotocols=[name], proxy=None
            ) as socket:
                assert socket.subprotocol == name
                await socket.send(b"\x00abc")
                assert await socket.recv() == b"cba\x00"

    run(pki, test)


def test_command_of_an_exec_may_be_long(pki: Any) -> None:
    from websockets.asyncio.client import connect

    accept_kubernetes_subprotocols()

    async def test(port: int) -> None:
        url = f"wss://127.0.0.1:{port}/exec?command={'a' * 100_000}"
        names = ["v5.channel.k8s.io"]
        async with connect(url, ssl=context(pki, "api"), subprotocols=names, proxy=None) as socket:
            await socket.send(b"\x00abc")
            assert await socket.recv() == b"cba\x00"

    run(pki, test)


def test_request_that_comes_along_with_a_strangers_certificate_is_not_heard(pki: Any) -> None:
    asked: list[str] = []

    async def recording(scope: Scope, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await app(scope, receive, send)

    async def at_once(port: int, who: str) -> bytes:
        """The answer to a request that is sent in one piece with the end of the handshake."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context(pki, who).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(65536))
            tls.write(b"GET /x?who=me HTTP/1.1\r\nhost: n\r\nconnection: close\r\n\r\n")
            writer.write(outgoing.read())
            while True:
                incoming.write(await reader.read(65536))
                with contextlib.suppress(ssl.SSLWantReadError):  # a ticket came first
                    return tls.read(65536)
        finally:
            writer.close()

    async def test(port: int) -> None:
        assert (await at_once(port, "user")).startswith(b"HTTP/1.1 403")
        await asyncio.sleep(0.05)
        assert not asked
        assert (await at_once(port, "api")).startswith(b"HTTP/1.1 200")
        assert asked == ["/x"]

    run(pki, test, recording)
