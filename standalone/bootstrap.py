"""From a token to a node's credentials, as kubeadm's join and a kubelet's TLS bootstrap do it.

    1. Read ConfigMap kube-public/cluster-info from a server that is not trusted yet. Its kubeconfig is signed with the
       token, which proves that who wrote it knows the token; the CA in it must have the public key that was pinned,
       which proves that no other holder of the token wrote it.
    2. Over a connection verified by that CA, as the token's user: a certificate that makes this machine a client.
    3. As the node: its Node object with its address, then a certificate to serve under that address.

Here is the first of them; join.py does the others. Keys never leave the machine. The token is worth nothing more once it has expired.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from client.kubeconfig import ClientConfig
from standalone.config import ConfigError

if TYPE_CHECKING:
    pass

Obj = dict[str, Any]
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_PIN = re.compile(r"sha256:[0-9a-f]{64}")


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
