"""A small world of TLS for tests: a certificate authority, HTTPS servers in threads, an OIDC issuer, answering webhooks."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey
Obj = dict[str, Any]


def key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def subject(name: str, groups: tuple[str, ...] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """Signs servers on 127.0.0.1 and clients; its files lie in `folder`."""

    def __init__(self, folder: Path, name: str = "test-ca") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(subject(name), self._key, None)
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)
        self.file = folder / f"{name}.crt"
        self.file.write_bytes(self.pem)
        self.key_file = folder / f"{name}.key"
        self.key_file.write_bytes(key_pem(self._key))

    def _sign(self, who: x509.Name, key: Key, issuer: x509.Certificate | None) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(who)
            .issuer_name(issuer.subject if issuer else who)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=2))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        )
        if issuer is not None:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, file: str, name: str, groups: tuple[str, ...] = ()) -> tuple[Path, Path]:
        """Files of a certificate and its key; a file that is there is replaced."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._sign(subject(name, groups), key, self._certificate)
        paths = self.folder / f"{file}.crt", self.folder / f"{file}.key"
        paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(key_pem(key))
        return paths

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue("server", "server"))
        return context

    def client_context(self, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.pem.decode())
        if pair is not None:
            context.load_cert_chain(*pair)
        return context


Answer = Callable[[str, str, bytes], tuple[int, Any]]  # method, path, body → status, JSON


@contextmanager
def https_server(authority: Authority, answer: Answer) -> Iterator[str]:
    """Gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, value = answer(self.command, self.path, body)
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _reply

        def log_message(self, format: str, *args: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            return  # a client that left

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = authority.server_context().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Issuer:
    """An OIDC issuer: `answer` for https_server, `token` signs. `add_key` rotates."""

    def __init__(self) -> None:
        self.url = ""
        self.fetches = 0
        self.alive = True
        self._keys: list[Any] = []
        self.add_key()

    def add_key(self) -> None:
        from joserfc.jwk import ECKey

        self._keys.append(ECKey.generate_key("P-256", {"kid": f"key-{len(self._keys)}", "use": "sig"}))

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if not self.alive:
            return 503, {}
        if path == "/.well-known/openid-configuration":
            return 200, {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            self.fetches += 1
            return 200, {"keys": [key.as_dict(private=False) for key in self._keys]}
        return 404, {}

    def token(self, claims: Obj, *, key: int = -1, algorithm: str = "ES256", **header: Any) -> str:
        from joserfc import jwt

        signer = self._keys[key]
        said = {"alg": algorithm, "kid": signer.kid, **header}
        return jwt.encode(said, {"iss": self.url, **claims}, signer, algorithms=[algorithm])
