"""From a token to a node's credentials, as kubeadm's join and a kubelet's TLS bootstrap do it.

    1. Read ConfigMap kube-public/cluster-info from a server that is not trusted yet. Its kubeconfig is signed with the
       token, which proves that who wrote it knows the token; the CA in it must have the public key that was pinned,
       which proves that no other holder of the token wrote it.
    2. Over a connection verified by that CA, as the token's user: a certificate that makes this machine a client.
    3. As the node: its Node object with its address, then a certificate to serve under that address.

Keys are made here and never leave the machine. The token is worth nothing more once it has expired.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from client.kubeconfig import ClientConfig
from standalone.config import ConfigError

if TYPE_CHECKING:
    from client.client import Client

Obj = dict[str, Any]
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER = "kubernetes.io/kubelet-serving"
TIMEOUT_S = 60.0
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_PIN = re.compile(r"sha256:[0-9a-f]{64}")
_POLL_S = 0.2


class BootstrapFailed(Exception):
    """The machine got no credentials; str() says at which step, and why."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    certificate: bytes  # PEM
    key: bytes


def check_arguments(token: str, pins: Sequence[str]) -> None:
    """Raises ConfigError."""
    if not _TOKEN.fullmatch(token):
        raise ConfigError("--token has the form abcdef.0123456789abcdef (`kctl token create` makes one)")
    for pin in pins:
        if not _PIN.fullmatch(pin):
            raise ConfigError(f"{pin!r} is not a pin: sha256: and 64 hexadecimal digits are")


def pin_of(certificate: bytes) -> str:
    """`sha256:...` of a CA's public key: what the pin is compared with."""
    key = x509.load_pem_x509_certificate(certificate).public_key()
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256:" + hashlib.sha256(encoded).hexdigest()


def trusted_cluster(data: dict[str, str], token: str, pins: Sequence[str]) -> tuple[str, bytes]:
    """(server, CA) out of cluster-info's data, once it has proved itself. Raises BootstrapFailed."""
    token_id, _, secret = token.partition(".")
    content = data.get("kubeconfig", "")
    signature = data.get(f"jws-kubeconfig-{token_id}", "")
    if not content or not signature:
        raise BootstrapFailed(
            f"the cluster does not know token {token_id}, or it may not sign: `kctl token create` makes another one"
        )
    header, _, rest = signature.partition(".")
    payload = base64.urlsafe_b64encode(content.encode()).rstrip(b"=").decode()
    mac = hmac.new(secret.encode(), f"{header}.{payload}".encode(), hashlib.sha256).digest()
    wanted = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    if not hmac.compare_digest(wanted, rest.lstrip(".")):
        raise BootstrapFailed(
            "cluster-info is not signed with this token: the token is wrong, or this is not the cluster"
        )
    cluster = json.loads(content)["clusters"][0]["cluster"]
    ca = base64.b64decode(cluster["certificate-authority-data"])
    if pin_of(ca) not in pins:
        raise BootstrapFailed(
            f"the cluster's CA has the public key {pin_of(ca)}, which is not the one that was pinned"
        )
    return str(cluster["server"]), ca


async def discover(address: str, token: str, pins: Sequence[str]) -> ClientConfig:
    """How the cluster is reached by the token's user. `address` is HOST:PORT. Raises BootstrapFailed, ApiError."""
    from client.client import Client
    from machinery.gvk import CONFIGMAPS

    unverified = ClientConfig(f"https://{address}", insecure_skip_tls_verify=True).transport()
    try:
        info = await Client(unverified, user_agent="kctl-join").get(CONFIGMAPS, "cluster-info", "kube-public")
    finally:
        await unverified.close()
    server, ca = trusted_cluster(info.get("data") or {}, token, pins)
    return ClientConfig(server, ca_data=ca, token=token)


async def request_certificate(
    client: Client, node: str, signer: str, usage: str, names: Sequence[str] = ()
) -> KeyPair:
    """Asks, waits until it is signed. Raises BootstrapFailed when it is denied or nobody signs in time."""
    from machinery.gvk import CERTIFICATESIGNINGREQUESTS

    key = ec.generate_private_key(ec.SECP256R1())
    spec = {
        "request": base64.b64encode(_request(key, node, names)).decode(),
        "signerName": signer,
        "usages": ["digital signature", usage],
    }
    asked = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": f"{node}-{secrets.token_hex(4)}"},
        "spec": spec,
    }
    name = (await client.create(CERTIFICATESIGNINGREQUESTS, asked))["metadata"]["name"]
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                status = (await client.get(CERTIFICATESIGNINGREQUESTS, name)).get("status") or {}
                for condition in status.get("conditions") or ():
                    if condition["type"] in ("Denied", "Failed"):
                        why = condition.get("message") or condition.get("reason", "")
                        raise BootstrapFailed(f"the request {name} for a certificate was refused: {why}")
                if status.get("certificate"):
                    return KeyPair(base64.b64decode(status["certificate"]), _pem(key))
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise BootstrapFailed(
            f"nobody approved and signed the request {name} for a certificate within {TIMEOUT_S:.0f} s "
            f"(`kctl describe csr {name}` shows it)"
        ) from None


def _request(key: ec.EllipticCurvePrivateKey, node: str, names: Sequence[str]) -> bytes:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general(n) for n in names]), critical=False
        )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
