"""A node renews its own certificates: it asks the cluster with CertificateSigningRequests, as itself, in good time.

    70 to 90 % of a certificate's life over ─► new key ─► request ─► approved and signed? ─► files, new connections

The client certificate goes to `kubelet-client-current.pem` in the certificates' directory, and into the kubeconfig where
that holds it inline; the transport takes it up at once. The serving certificate goes to `kubelet-server-current.pem` beside
it, which the streaming server follows. Either file holds its key too, so that no death between two writes parts them. Until a
new one is there the old one stays in use; what fails is tried again, later and later.

Source: Kubernetes "Configure Certificate Rotation for the Kubelet".
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from client.client import Client
from client.kubeconfig import ClientConfig, KubeconfigError, parse_file
from client.logs import get_logger
from client.node_certificates import NotIssued, Wish, request_certificate
from client.transport import TransportError
from machinery.clock import Clock
from machinery.errors import ApiError
from runtime.images.atomic import write_file

log = get_logger("nodeagent.certificates")

CLIENT_FILE = "kubelet-client-current.pem"
SERVER_FILE = "kubelet-server-current.pem"
_FIRST_RETRY_S, _LAST_RETRY_S = 10.0, 600.0
# Validity ::= SEQUENCE { UTCTime, UTCTime }: enough to know a certificate's life without a library for certificates.
_VALIDITY = re.compile(rb"\x30\x1e\x17\x0d(\d{12})Z\x17\x0d(\d{12})Z")
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


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


def newest_pair(certificate: str, key: str, renewed: str) -> tuple[str, str]:
    """Files of the certificate and key to serve with: `renewed`, which holds both, where it lasts longer than those given."""
    try:
        if life_of(Path(renewed).read_bytes())[1] > life_of(Path(certificate).read_bytes())[1]:
            return renewed, renewed
    except (OSError, ValueError):  # there is none yet
        return certificate, key
    return certificate, key


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
            write_file(Path(path), json.dumps(content, indent=2).encode() + b"\n")


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
                due = plan_renewal(self.current(), rng)
            except (NotIssued, ApiError, TransportError, KubeconfigError, OSError) as error:
                log.warning("a certificate was not renewed", signer=self.wish.signer, why=str(error))
                due = clock.now() + retry_s * (1 + rng.random() / 10)
                retry_s = min(retry_s * 2, _LAST_RETRY_S)
            else:
                log.info("renewed a certificate", signer=self.wish.signer)
                retry_s = _FIRST_RETRY_S


async def run_rotations(
    rotations: Sequence[Rotation], client: Client, clock: Clock, rng: random.Random
) -> None:
    async with asyncio.TaskGroup() as group:
        for rotation in rotations:
            group.create_task(rotation.run(client, clock, rng))
