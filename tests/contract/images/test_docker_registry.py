"""Pulls from a real registry: Debian's docker-registry on loopback, open and behind its token service."""

import asyncio
import base64
import http.client
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from runtime.cri import Auth, ImageFailure

PROGRAM = shutil.which("docker-registry")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Debian's package docker-registry")

CONFIG = """
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {root}}}
http:
  addr: {address}
{auth}
"""


@contextmanager
def registry_process(folder: Path, auth: str = "") -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = folder / "registry.yml"
    config.write_text(CONFIG.format(root=folder / "registry", address=address, auth=auth))
    assert PROGRAM is not None
    process = subprocess.Popen(
        [PROGRAM, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    )
    try:
        _wait_until_it_answers(address, process)
        yield address
    finally:
        process.kill()
        process.wait()


def _wait_until_it_answers(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        assert process.poll() is None, "docker-registry ended at once"
        try:
            socket.create_connection(tuple_of(address), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "docker-registry does not answer"
            time.sleep(0.02)


def tuple_of(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def push(address: str, name: str, image, authorization: str = "") -> None:
    """The smallest pusher: blobs in one PUT each, then the manifest by tag."""
    repository, _, tag = name.partition(":")
    headers = {"Authorization": authorization} if authorization else {}

    def ask(method: str, path: str, body: bytes, more: dict[str, str]) -> dict[str, str]:
        connection = http.client.HTTPConnection(*tuple_of(address), timeout=20)
        try:
            connection.request(method, path, body=body, headers={**headers, **more})
            response = connection.getresponse()
            assert response.status in (201, 202), (response.status, response.read())
            return {key.lower(): value for key, value in response.getheaders()}
        finally:
            connection.close()

    import hashlib

    for blob in (image.config, *image.layers):
        location = ask("POST", f"/v2/{repository}/blobs/uploads/", b"", {})["location"]
        parts = urlsplit(location)
        digest = "sha256:" + hashlib.sha256(blob).hexdigest()
        path = f"{parts.path}?{parts.query}{'&' if parts.query else ''}digest={digest}"
        ask("PUT", path, blob, {"Content-Type": "application/octet-stream"})
    ask("PUT", f"/v2/{repository}/manifests/{tag}", image.manifest, {"Content-Type": image.media_type})


def pull(service, reference: str, auth: Auth | None = None):
    async def scenario():
        await service.start()
        try:
            image_id = await service.pull_image(reference, auth)
            return await service.image_status(image_id)
        finally:
            await service.close()

    return asyncio.run(scenario())


@pytest.fixture
def image(image_of, tar_of):
    return image_of(tar_of({"a": b"1" * 200_000}), tar_of({"b": b"2"}))


def test_real_registry_gives_what_was_pushed(tmp_path, images_at, image):
    with registry_process(tmp_path) as address:
        push(address, "team/app:1", image)
        pulled = pull(images_at(), f"{address}/team/app:1")
        assert pulled.id == image.id
        assert pulled.repo_digests == [f"{address}/team/app@{image.digest}"]
        assert pull(images_at(), f"{address}/team/app@{image.digest}").id == image.id
        with pytest.raises(ImageFailure, match="not found: manifest unknown"):
            pull(images_at(), f"{address}/team/app:2")


def test_real_registry_continues_a_partial_download(tmp_path, images_at, image):
    with registry_process(tmp_path) as address:
        push(address, "team/app:1", image)
        service = images_at()
        service.store.create()
        name = json.loads(image.manifest)["layers"][0]["digest"].removeprefix("sha256:")
        (service.store.root / "ingest" / f"{name}.partial").write_bytes(image.layers[0][:100])
        assert pull(service, f"{address}/team/app:1").id == image.id


# -- the token service of the distribution project's specification -----------------------------------------


class TokenService:
    """Signs tokens for one login, with a certificate that the registry trusts."""

    def __init__(self, folder: Path) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID

        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test tokens")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.bundle = folder / "tokens.pem"
        self.bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.x5c = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
        self.asked: list[str] = []

    def sign(self, repository: str, actions: list[str]) -> str:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        now = int(datetime.now(UTC).timestamp())
        header = {"typ": "JWT", "alg": "ES256", "x5c": [self.x5c]}
        claims = {
            "iss": "test-issuer",
            "aud": "test-registry",
            "sub": "me",
            "nbf": now - 10,
            "iat": now,
            "exp": now + 300,
            "jti": "1",
            "access": [{"type": "repository", "name": repository, "actions": actions}],
        }
        signed = ".".join(_b64(json.dumps(part).encode()) for part in (header, claims))
        r, s = utils.decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def token_server(service: TokenService) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            service.asked.append(self.path)
            login = "Basic " + base64.b64encode(b"me:secret").decode()
            is_login = self.headers.get("Authorization") == login
            scope = parse_qs(urlsplit(self.path).query)["scope"][0]
            _, repository, _ = scope.split(":")
            body = json.dumps({"token": service.sign(repository, ["pull"] if is_login else [])}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/token"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_real_registry_with_tokens_gives_the_image_to_those_who_log_in(tmp_path, images_at, image):
    service = TokenService(tmp_path)
    with token_server(service) as realm:
        auth = (
            "auth:\n  token:\n"
            f"    realm: {realm}\n    service: test-registry\n    issuer: test-issuer\n"
            f"    rootcertbundle: {service.bundle}\n"
        )
        with registry_process(tmp_path, auth) as address:
            push(address, "team/app:1", image, f"Bearer {service.sign('team/app', ['pull', 'push'])}")
            reference = f"{address}/team/app:1"
            assert pull(images_at(), reference, Auth("me", "secret")).id == image.id
            assert len(service.asked) == 1
            with pytest.raises(ImageFailure, match="pull access denied"):
                pull(images_at(), reference, Auth("me", "wrong"))
            with pytest.raises(ImageFailure, match="pull access denied"):
                pull(images_at(), reference)
