"""A node renews its certificates in good time, puts new ones to use, and tries again after a failure."""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import random
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from client.kubeconfig import ClientConfig
from client.node_certificates import NotIssued, client_wish, request_certificate, serving_wish
from machinery.clock import LoopClock
from machinery.errors import ServiceUnavailable
from machinery.virtual_loop import DEFAULT_EPOCH_S, run
from nodeagent.certificates import (
    CLIENT_FILE,
    SERVER_FILE,
    Rotation,
    life_of,
    newest_pair,
    plan_renewal,
    rewrite_kubeconfig,
    rotated,
)

CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")])


def certificate(begin: float, life_s: float, request: x509.CertificateSigningRequest | None = None) -> bytes:
    at = datetime.datetime.fromtimestamp(begin, datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(request.subject if request else CA)
        .issuer_name(CA)
        .public_key(request.public_key() if request else CA_KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at)
        .not_valid_after(at + datetime.timedelta(seconds=life_s))
        .sign(CA_KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


class Cluster:
    """Signs what is asked after a second, unless it is down or refuses."""

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock
        self.asked: list[dict[str, Any]] = []
        self.down = 0
        self.verdict = ""

    async def create(self, gvr: Any, obj: dict[str, Any]) -> dict[str, Any]:
        if self.down:
            self.down -= 1
            raise ServiceUnavailable("down")
        self.asked.append({**obj, "at": self.clock.now()})
        return {"metadata": {"name": f"csr-{len(self.asked) - 1}"}}

    async def get(self, gvr: Any, name: str) -> dict[str, Any]:
        asked = self.asked[int(name.removeprefix("csr-"))]
        if self.verdict:
            return {"status": {"conditions": [{"type": self.verdict, "message": "no"}]}}
        if self.clock.now() < asked["at"] + 1:
            return {}
        request = x509.load_pem_x509_csr(base64.b64decode(asked["spec"]["request"]))
        pem = certificate(self.clock.now(), 1000, request)
        return {"status": {"certificate": base64.b64encode(pem).decode()}}


def test_life_is_read_without_a_library() -> None:
    assert life_of(certificate(DEFAULT_EPOCH_S, 3600)) == (DEFAULT_EPOCH_S, DEFAULT_EPOCH_S + 3600)
    for pem in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"):
        with pytest.raises(ValueError, match="no certificate"):
            life_of(pem)
        assert plan_renewal(pem, random.Random(1)) == 0.0
    pem = certificate(DEFAULT_EPOCH_S, 1000)
    dues = [plan_renewal(pem, random.Random(seed)) - DEFAULT_EPOCH_S for seed in range(50)]
    assert 700 <= min(dues) < 730 and 870 < max(dues) <= 900


def test_certificate_is_renewed_again_and_again() -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), DEFAULT_EPOCH_S)
        cluster: Any = Cluster(clock)
        held = [certificate(clock.now(), 1000)]
        taken: list[tuple[float, bytes]] = []

        def take(pem: bytes, key: bytes) -> None:
            parsed: Any = serialization.load_pem_private_key(key, None)
            assert x509.load_pem_x509_certificate(pem).public_key() == parsed.public_key()
            taken.append((clock.now() - DEFAULT_EPOCH_S, pem))
            held[0] = pem

        rotation = Rotation(client_wish("n1"), lambda: held[0], take)
        running = asyncio.ensure_future(rotation.run(cluster, clock, random.Random(4)))
        await clock.sleep(690)
        assert not taken
        cluster.down = 2
        await clock.sleep(1200)
        assert len(taken) == 2 and 700 < taken[0][0] < 935
        spec = cluster.asked[0]["spec"]
        assert spec["signerName"] == "kubernetes.io/kube-apiserver-client-kubelet"
        assert spec["usages"] == ["digital signature", "client auth"]
        subject = x509.load_pem_x509_certificate(taken[0][1]).subject
        assert subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(main())


@pytest.mark.parametrize("verdict", ["Denied", "Failed"])
def test_refusal_is_told(verdict: str) -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), DEFAULT_EPOCH_S)
        cluster: Any = Cluster(clock)
        cluster.verdict = verdict
        with pytest.raises(NotIssued, match=f"csr-0 is {verdict}: no"):
            await request_certificate(cluster, serving_wish("n1", ["n1", "10.0.0.1"]), clock)
        request = x509.load_pem_x509_csr(base64.b64decode(cluster.asked[0]["spec"]["request"]))
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["n1"]

    run(main())


def test_renewed_certificate_counts_while_it_is_the_better_one(tmp_path: Path) -> None:
    now = DEFAULT_EPOCH_S
    config = ClientConfig("https://x", cert_data=certificate(now, 500), key_data=b"key")
    assert rotated(config, tmp_path, now) == config
    (tmp_path / CLIENT_FILE).write_bytes(certificate(now, 1000))
    assert rotated(config, tmp_path, now).cert_data == certificate_in(tmp_path)
    assert rotated(config, tmp_path, now + 1001) == config
    longer = config._replace(cert_data=certificate(now, 2000))
    assert rotated(longer, tmp_path, now) == longer


def test_serving_pair_is_the_one_that_lasts_longest(tmp_path: Path) -> None:
    given, renewed = tmp_path / "node.crt", tmp_path / SERVER_FILE
    given.write_bytes(certificate(DEFAULT_EPOCH_S, 500))

    def pair() -> tuple[str, str]:
        return newest_pair(str(given), "node.key", str(renewed))

    assert pair() == (str(given), "node.key")
    renewed.write_bytes(certificate(DEFAULT_EPOCH_S, 1000))
    assert pair() == (str(renewed), str(renewed))
    given.write_bytes(certificate(DEFAULT_EPOCH_S, 2000))  # the machine joined anew
    assert pair() == (str(given), "node.key")
    renewed.write_bytes(b"half")
    assert pair() == (str(given), "node.key")


def test_inline_credentials_are_renewed_in_their_file(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    users = [{"name": name, "user": {"client-certificate-data": "b2xk"}} for name in ("other", "me")]
    contexts = [{"name": "x", "context": {"cluster": "c", "user": "me"}}]
    file.write_text(json.dumps({"users": users, "contexts": contexts, "current-context": "x"}))
    rewrite_kubeconfig(str(file), b"new", b"key")
    other, me = json.loads(file.read_text())["users"]
    assert me["user"] == {"client-certificate-data": "bmV3", "client-key-data": "a2V5"}
    assert other["user"] == {"client-certificate-data": "b2xk"}
    assert file.stat().st_mode & 0o777 == 0o600


def certificate_in(folder: Path) -> bytes:
    return (folder / CLIENT_FILE).read_bytes()
