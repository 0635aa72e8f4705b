"""A node renews its own certificates: it asks the cluster with CertificateSigningRequests, as itself, in good time.

    70 to 90 % of a certificate's life over ─► new key ─► request ─► approved and signed? ─► files, new connections

The client certificate goes to `kubelet-client-current.pem` in the certificates' directory, and into the kubeconfig where
that holds it inline; the transport takes it up at once. The serving certificate replaces its files, which the streaming server follows. Until a new one is
there the old one stays in use; what fails is tried again, later and later.

Source: Kubernetes "Configure Certificate Rotation for the Kubelet".
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import os
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from client.client import Client
from client.kubeconfig import ClientConfig, KubeconfigError, parse_file
from client.logs import get_logger
from client.transport import TransportError
from machinery.clock import Clock
from machinery.errors import ApiError
from machinery.gvk import CERTIFICATESIGNINGREQUESTS

log = get_logger("nodeagent.certificates")

CLIENT_FILE = "kubelet-client-current.pem"
_POLL_S, _PATIENCE_S = 1.0, 15 * 60.0
_FIRST_RETRY_S, _LAST_RETRY_S = 10.0, 600.0
# Validity ::= SEQUENCE { UTCTime, UTCTime }: enough to know a certificate's life without a library for certificates.
_VALIDITY = re.compile(rb"\x30\x1e\x17\x0d(\d{12})Z\x17\x0d(\d{12})Z")
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


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
    return Wish(
        "kubernetes.io/kubelet-serving", node_name, ("digital signature", "server auth"), tuple(names)
    )


def life_of(pem: bytes) -> tuple[float, float]:
    """(begin, end) of the first certificate in `pem`. ValueError where there is none to be read."""
    found = _PEM.search(pem)
    validity = _VALIDITY.search(base64.b64decode(found[1])) if found else None
    if validity is None:
        raise ValueError("it holds no certificate with a life that ends before 2050")
    begin, end = (
        datetime.strptime(text.decode(), "%y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
        for text in validity.groups()
    )
    return begin, end


def plan_renewal(pem: bytes, rng: random.Random) -> float:
    """When to ask for the next: spread, so that nodes which began together do not ask together. At once for what
    cannot be read."""
    try:
        begin, end = life_of(pem)
    except ValueError:
        return 0.0
    return begin + (end - begin) * (0.7 + 0.2 * rng.random())


def rotated(config: ClientConfig, directory: Path, now: float) -> ClientConfig:
    """With the certificate the node has renewed for itself, where there is one that still holds."""
    try:
        pem = (directory / CLIENT_FILE).read_bytes()
        if life_of(pem)[1] <= now or (config.cert_data and life_of(config.cert_data)[1] >= life_of(pem)[1]):
            return config
    except (OSError, ValueError):
        return config
    return config._replace(cert_data=pem, key_data=b"")


def rewrite_kubeconfig(path: str, certificate: bytes, key: bytes) -> None:
    """Puts the renewed certificate into a kubeconfig that holds the old one inline, for all who read the file: the
    node's service proxy, and this agent after a restart. A file that only names others is left alone."""
    content = parse_file(path)
    chosen = {each["name"]: each["context"] for each in content.get("contexts") or ()}
    user = (chosen.get(content.get("current-context", "")) or {}).get("user")
    for each in content.get("users") or ():
        said = each.get("user") or {}
        if each.get("name") == user and "client-certificate-data" in said:
            said["client-certificate-data"] = base64.b64encode(certificate).decode()
            said["client-key-data"] = base64.b64encode(key).decode()
            write_private(Path(path), json.dumps(content, indent=2).encode() + b"\n")


async def request_certificate(client: Client, wish: Wish, clock: Clock) -> tuple[bytes, bytes]:
    """(certificate, key) as PEM. Raises NotIssued, ApiError, TransportError."""
    key, request = _new_request(wish)
    spec = {
        "request": base64.b64encode(request).decode(),
        "signerName": wish.signer,
        "usages": list(wish.usages),
    }
    made = await client.create(
        CERTIFICATESIGNINGREQUESTS, {"metadata": {"generateName": "csr-"}, "spec": spec}
    )
    name = made["metadata"]["name"]
    deadline = clock.monotonic() + _PATIENCE_S
    while clock.monotonic() < deadline:
        status = (await client.get(CERTIFICATESIGNINGREQUESTS, name)).get("status") or {}
        if status.get("certificate"):
            return base64.b64decode(status["certificate"]), key
        for condition in status.get("conditions") or ():
            if condition["type"] in ("Denied", "Failed"):
                raise NotIssued(f"request {name} is {condition['type']}: {condition.get('message', '')}")
        await clock.sleep(_POLL_S)
    raise NotIssued(f"request {name} was not approved and signed in {_PATIENCE_S:g} s")


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


def _general_name(name: str):  # type: ignore[no-untyped-def]
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True, slots=True)
class Rotation:
    """One certificate to be kept fresh. `current` gives its PEM, `take` stores a new one and puts it to use."""

    wish: Wish
    current: Callable[[], bytes]
    take: Callable[[bytes, bytes], None]

    async def run(self, client: Client, clock: Clock, rng: random.Random) -> None:
        """Until cancelled."""
        retry_s = _FIRST_RETRY_S
        due = plan_renewal(self.current(), rng)
        while True:
            await clock.sleep(max(0.0, due - clock.now()))
            try:
                certificate, key = await request_certificate(client, self.wish, clock)
                self.take(certificate, key)
            except (NotIssued, ApiError, TransportError, KubeconfigError, OSError) as error:
                log.warning("a certificate was not renewed", signer=self.wish.signer, why=str(error))
                due = clock.now() + retry_s * (1 + rng.random() / 10)
                retry_s = min(retry_s * 2, _LAST_RETRY_S)
            else:
                log.info("renewed a certificate", signer=self.wish.signer)
                retry_s = _FIRST_RETRY_S
                due = plan_renewal(self.current(), rng)


async def run_rotations(
    rotations: Sequence[Rotation], client: Client, clock: Clock, rng: random.Random
) -> None:
    async with asyncio.TaskGroup() as group:
        for rotation in rotations:
            group.create_task(rotation.run(client, clock, rng))


def write_private(path: Path, content: bytes) -> None:
    """Whole or not at all, and nobody else's to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
