"""Certificates that a node asks for as itself: its key is made here, the cluster approves and signs.

    new key ─► CertificateSigningRequest ─► approved and signed? ─► (certificate, key)

Used by a machine that joins and by a node that renews. Source: Kubernetes "TLS bootstrapping".
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from client.client import Client
from machinery.clock import Clock
from machinery.gvk import CERTIFICATESIGNINGREQUESTS

if TYPE_CHECKING:
    from cryptography import x509


class NotIssued(Exception):
    """No certificate was given; the message says why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a node asks for. `names` are DNS names and addresses to serve under."""

    signer: str
    node_name: str
    usages: tuple[str, ...]
    names: tuple[str, ...] = ()


def client_wish(node_name: str) -> Wish:
    signer = "kubernetes.io/kube-apiserver-client-kubelet"
    return Wish(signer, node_name, ("digital signature", "client auth"))


def serving_wish(node_name: str, names: Sequence[str]) -> Wish:
    usages = ("digital signature", "server auth")
    return Wish("kubernetes.io/kubelet-serving", node_name, usages, tuple(names))


async def request_certificate(
    client: Client, wish: Wish, clock: Clock, *, patience_s: float = 15 * 60.0, poll_s: float = 1.0
) -> tuple[bytes, bytes]:
    """(certificate, key) as PEM. Raises NotIssued, ApiError, TransportError."""
    key, request = _new_request(wish)
    spec = {
        "request": base64.b64encode(request).decode(),
        "signerName": wish.signer,
        "usages": list(wish.usages),
    }
    asked = {"metadata": {"generateName": "csr-"}, "spec": spec}
    name = (await client.create(CERTIFICATESIGNINGREQUESTS, asked))["metadata"]["name"]
    deadline = clock.monotonic() + patience_s
    while clock.monotonic() < deadline:
        status = (await client.get(CERTIFICATESIGNINGREQUESTS, name)).get("status") or {}
        if status.get("certificate"):
            return base64.b64decode(status["certificate"]), key
        for condition in status.get("conditions") or ():
            if condition["type"] in ("Denied", "Failed"):
                why = condition.get("message") or condition.get("reason", "")
                raise NotIssued(f"certificate request {name} is {condition['type']}: {why}")
        await clock.sleep(poll_s)
    raise NotIssued(
        f"nobody approved and signed certificate request {name} within {patience_s:g} s "
        f"(`kctl describe csr {name}` shows it)"
    )


def _new_request(wish: Wish) -> tuple[bytes, bytes]:
    """(key, PKCS#10 request) as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, f"system:node:{wish.node_name}"),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if wish.names:
        names = [_general_name(name) for name in wish.names]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
