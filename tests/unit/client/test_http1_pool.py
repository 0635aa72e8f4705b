"""HttpTransport's pool and TLS, against servers that misbehave on purpose."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from client.http1 import HttpTransport
from client.kubeconfig import ClientConfig
from client.transport import TransportError

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve, ssl_context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    writers = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await serve(reader, writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=ssl_context)
    scheme = "https" if ssl_context else "http"
    try:
        yield f"{scheme}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0.01)


def test_connection_is_used_again() -> None:
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)

    async def main() -> None:
        async with server(serve) as url:
            transport = HttpTransport(url)
            for _ in range(5):
                assert (await transport.request("GET", "/")).body == b"ok"
            await transport.close()

    asyncio.run(main())
    assert len(connections) == 1


@pytest.mark.parametrize(("method", "retried"), [("GET", True), ("POST", False)])
def test_stale_pooled_connection_is_retried_once_only_if_safe(method: str, retried: bool) -> None:
    requests = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        requests.append("answered")
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")
        requests.append("dropped")  # read the second request, close without an answer

    async def main() -> None:
        async with server(serve) as url:
            transport = HttpTransport(url)
            await transport.request("GET", "/")
            if retried:
                assert (await transport.request(method, "/")).status == 200
            else:
                with pytest.raises(TransportError, match="closed the connection"):
                    await transport.request(method, "/")
            await transport.close()

    asyncio.run(main())
    assert requests == ["answered", "dropped"] + (["answered"] if retried else [])


def test_body_without_length_ends_with_the_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it")

    async def main() -> None:
        async with server(serve) as url:
            transport = HttpTransport(url)
            assert (await transport.request("GET", "/")).body == b"all of it"
            await transport.close()

    asyncio.run(main())


def test_interim_answer_is_passed_over() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + OK)
        await reader.read()

    async def main() -> None:
        async with server(serve) as url:
            transport = HttpTransport(url)
            response = await transport.request("GET", "/")
            assert (response.status, response.body, "link" in response.headers) == (200, b"ok", False)
            await transport.close()

    asyncio.run(main())


def test_garbage_raises_transport_error() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        await reader.read()

    async def main() -> None:
        async with server(serve) as url:
            transport = HttpTransport(url)
            with pytest.raises(TransportError):
                await transport.request("GET", "/")
            await transport.close()

    asyncio.run(main())


def test_nobody_listening_raises_transport_error() -> None:
    async def main() -> None:
        async with server(lambda r, w: asyncio.sleep(0)) as url:
            pass
        transport = HttpTransport(url)
        with pytest.raises(TransportError, match="GET /x at http"):
            await transport.request("GET", "/x")
        await transport.close()

    asyncio.run(main())


def test_line_break_in_header_is_refused() -> None:
    async def main() -> None:
        transport = HttpTransport("http://127.0.0.1:1")
        with pytest.raises(ValueError, match="line break"):
            await transport.request("GET", "/", headers={"x": "a\r\nb: c"})

    asyncio.run(main())


class Authority:
    """A certificate authority for one test."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.cert = self._sign("test-ca", self.key.public_key(), "test-ca", ca=True)

    def _sign(self, subject: str, public_key, issuer: str, ca: bool = False) -> x509.Certificate:
        start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start.replace(year=2070))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            import ipaddress

            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name: str) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._sign(name, key.public_key(), "test-ca").public_bytes(serialization.Encoding.PEM), pem

    @property
    def pem(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.PEM)


def test_tls_shows_the_client_certificate_and_checks_the_server(tmp_path: Path) -> None:
    authority = Authority()
    cert, key = authority.issue("server")
    (tmp_path / "server.pem").write_bytes(cert + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(tmp_path / "server.pem")
    seen = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        subject = dict(pair[0] for pair in writer.get_extra_info("peercert")["subject"])
        seen.append((subject["commonName"], b"authorization: Bearer t0ken" in head))
        writer.write(OK)
        await reader.read()

    async def main() -> None:
        async with server(serve, context) as url:
            cert, key = authority.issue("alice")
            config = ClientConfig(url, ca_data=authority.pem, cert_data=cert, key_data=key, token="t0ken")
            transport = config.transport()
            assert (await transport.request("GET", "/")).body == b"ok"
            await transport.close()
            stranger = ClientConfig(url, ca_data=Authority().pem, cert_data=cert, key_data=key).transport()
            with pytest.raises(TransportError, match="certificate verify failed"):
                await stranger.request("GET", "/")
            await stranger.close()

    asyncio.run(main())
    assert seen == [("alice", True)]
