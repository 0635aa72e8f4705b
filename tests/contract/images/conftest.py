"""A registry in the test's own process: it speaks just enough of the API, counts, and misbehaves on demand.

It answers on loopback with threads; everything it holds and everything that was asked of it is public.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import ssl
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from machinery.clock import SystemClock
from runtime.images.service import LocalImages

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is never asked of a proxy that this machine may have."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


class EagerClock(SystemClock):
    """Real time, but waiting for a retry takes none; what was waited for is kept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer_tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@dataclass
class TestImage:
    __test__ = False
    config: bytes
    layers: list[bytes]
    manifest: bytes
    media_type: str = OCI_MANIFEST

    @property
    def id(self) -> str:
        return digest_of(self.config)

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def make_image(
    layers: Sequence[bytes], *, architecture: str = "amd64", gzipped: bool = True, config: Any = None
) -> TestImage:
    blobs = [gzip.compress(layer, 1, mtime=0) if gzipped else layer for layer in layers]
    suffix = "+gzip" if gzipped else ""
    raw = json.dumps(
        {
            "os": "linux",
            "architecture": architecture,
            "config": config or {"Cmd": ["/hello"], "Env": ["A=b"], "User": "1000"},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest_of(raw),
            "size": len(raw),
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar" + suffix,
                "digest": digest_of(blob),
                "size": len(blob),
            }
            for blob in blobs
        ],
    }
    return TestImage(raw, blobs, json.dumps(manifest).encode())


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class RegistryServer:
    """`manifests` by "repository:target", `blobs` by digest; the rest says how to misbehave."""

    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    token: str = ""  # wanted as a bearer token; the realm is this server's /token
    login: tuple[str, str] | None = None  # for /token, or for basic where token is ""
    redirect_blobs_to: str = ""
    fail_next: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    break_blobs_after: list[int] = field(default_factory=list)  # each entry breaks one download
    gate: threading.Event | None = None  # blobs stop half-way until it is set
    gate_from_bytes: int = 0  # smaller blobs pass
    half_sent: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    def add(self, name: str, image: TestImage) -> str:
        """Returns the reference to pull."""
        self.blobs[image.id] = image.config
        self.blobs.update({digest_of(layer): layer for layer in image.layers})
        repository, _, tag = name.partition(":")
        for target in (tag or "latest", image.digest):
            self.manifests[f"{repository}:{target}"] = (image.manifest, image.media_type)
        return f"{self.address}/{name}"

    def add_index(self, name: str, entries: Sequence[tuple[dict[str, str], TestImage]]) -> str:
        repository, _, tag = name.partition(":")
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [
                {"mediaType": OCI_MANIFEST, "digest": i.digest, "size": len(i.manifest), "platform": platform}
                for platform, i in entries
            ],
        }
        for _, image in entries:
            self.add(repository, image)
        data = json.dumps(document).encode()
        for target in (tag, digest_of(data)):
            self.manifests[f"{repository}:{target}"] = (data, OCI_INDEX)
        return f"{self.address}/{name}"

    def paths(self, part: str) -> list[str]:
        return [a.path for a in self.asked if part in a.path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: RegistryServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        registry = self.registry
        registry.asked.append(Asked("GET", self.path, {k.lower(): v for k, v in self.headers.items()}))
        path = urlsplit(self.path).path
        if path == "/token":
            self._token()
            return
        if registry.fail_next:
            status, headers = registry.fail_next.pop(0)
            self._answer(status, b'{"errors":[{"code":"X","message":"later please"}]}', headers)
            return
        if not self._is_authorized():
            self._challenge()
            return
        repository, kind, target = path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "manifests":
            found = registry.manifests.get(f"{repository}:{target}")
            if found is None:
                self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
            else:
                self._answer(
                    200, found[0], {"Content-Type": found[1], "Docker-Content-Digest": digest_of(found[0])}
                )
        elif registry.redirect_blobs_to:
            self._answer(307, b"", {"Location": f"{registry.redirect_blobs_to}{self.path}"})
        else:
            self._blob(registry.blobs.get(target))

    def _blob(self, data: bytes | None) -> None:
        if data is None:
            self._answer(404, b"{}")
            return
        start = 0
        if range_ := self.headers.get("Range"):
            start = int(range_.removeprefix("bytes=").rstrip("-"))
        part = data[start:]
        self.send_response(206 if range_ else 200)
        if range_:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.registry.break_blobs_after:
            self.wfile.write(part[: self.registry.break_blobs_after.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            return
        gate = self.registry.gate if len(data) >= self.registry.gate_from_bytes else None
        half = len(part) // 2 if gate else len(part)
        self.wfile.write(part[:half])
        self.wfile.flush()
        if gate:
            self.registry.half_sent.set()
            gate.wait(20)
            try:
                self.wfile.write(part[half:])
            except OSError:
                self.close_connection = True

    def _token(self) -> None:
        if self.registry.login is not None and not self._is_login():
            self._answer(401, b'{"errors":[{"message":"who are you"}]}')
            return
        query = parse_qs(urlsplit(self.path).query)
        assert query["scope"][0].endswith(":pull")
        assert query["service"] == ["test"]
        self._answer(200, json.dumps({"token": self.registry.token, "expires_in": 300}).encode())

    def _is_login(self) -> bool:
        assert self.registry.login is not None
        wanted = base64.b64encode(":".join(self.registry.login).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    def _is_authorized(self) -> bool:
        if self.registry.token:
            return self.headers.get("Authorization") == f"Bearer {self.registry.token}"
        return self.registry.login is None or self._is_login()

    def _challenge(self) -> None:
        if self.registry.token:
            realm = f"http://{self.registry.address}/token"
            scheme = f'Bearer realm="{realm}",service="test",scope="repository:x/y:pull"'
        else:
            scheme = 'Basic realm="test"'
        self._answer(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', {"WWW-Authenticate": scheme})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[RegistryServer]:
    """`certificate`: a PEM file with key and certificate, for https."""
    registry = RegistryServer()
    handler = type("Handler", (_Handler,), {"registry": registry})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = False
    server.handle_error = lambda request, address: None  # clients that hang up
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    registry.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield registry
    finally:
        if registry.gate:
            registry.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with serving() as server:
        yield server


@pytest.fixture
def second_registry() -> Iterator[RegistryServer]:
    with serving() as server:
        yield server


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Self-signed, for 127.0.0.1: key and certificate in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test registry")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "registry.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_registry(certificate: Path) -> Iterator[RegistryServer]:
    with serving(certificate) as server:
        yield server


@pytest.fixture
def image_of() -> Callable[..., TestImage]:
    """image_of(b"tar", ..., architecture=, gzipped=, config=)"""
    return lambda *layers, **options: make_image(list(layers), **options)


@pytest.fixture
def tar_of() -> Callable[[Mapping[str, bytes]], bytes]:
    return layer_tar


@pytest.fixture
def clock() -> EagerClock:
    return EagerClock()


@pytest.fixture
def images_at(tmp_path: Path, clock: EagerClock) -> Callable[..., LocalImages]:
    """A service on tmp_path/store; further keyword arguments as LocalImages takes them."""
    return lambda **options: LocalImages(tmp_path / "store", clock, **options)
