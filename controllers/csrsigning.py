"""The signers: approved requests of the four kubernetes.io signers get their certificate from the cluster's CA.

Owns     status.certificate of those requests, and the condition Failed where a signer's rules forbid what was approved.
Woken by changes of CertificateSigningRequests.

Invariants: nothing unapproved is signed; a certificate lives as long as asked, at least ten minutes, at most the
signer's bound and the CA's own life; it holds exactly the usages that were approved, and never is a CA.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from controllers.certificate_request import (
    SIGNERS,
    UnreadableRequest,
    load_request,
    refusal,
    verdict_of,
    wanted_of,
)
from controllers.framework import Context, Key, Reconciler, reconciler
from machinery.gvk import CERTIFICATESIGNINGREQUESTS

if TYPE_CHECKING:
    from cryptography import x509

Obj = dict[str, Any]

DEFAULT_S = 365 * 24 * 3600.0
SHORTEST_S = 600.0
BACKDATE_S = 300.0
_SHORT_S = 8 * 3600.0  # below this the backdating counts as part of the life

_KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
_EXTENDED_USAGES = {
    "any": "2.5.29.37.0",
    "server auth": "1.3.6.1.5.5.7.3.1",
    "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
    "netscape sgc": "2.16.840.1.113730.4.1",
}


class Signer(Protocol):
    def sign(self, request: x509.CertificateSigningRequest, spec: Obj, now: float) -> bytes:
        """The certificate as PEM. Raises CannotSign."""
        ...


class CannotSign(Exception):
    """The CA cannot be used; the message says why."""


class FileSigner:
    """A CA in two files, read for every signature: rare enough, and a replaced CA counts at once."""

    def __init__(self, certificate: Path, key: Path, longest_s: float = DEFAULT_S) -> None:
        self._certificate = certificate
        self._key = key
        self._longest_s = longest_s

    def sign(self, request: x509.CertificateSigningRequest, spec: Obj, now: float) -> bytes:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        try:
            ca = x509.load_pem_x509_certificate(self._certificate.read_bytes())
            key: Any = serialization.load_pem_private_key(self._key.read_bytes(), None)
        except (OSError, ValueError) as error:
            raise CannotSign(f"the CA cannot be read: {error}") from error
        begins, ends = plan_life(now, spec.get("expirationSeconds"), self._longest_s)
        ends = min(ends, ca.not_valid_after_utc.timestamp())
        usages = spec.get("usages") or ()
        flags = {_KEY_USAGES[usage] for usage in usages if usage in _KEY_USAGES} - {
            "key_cert_sign",
            "crl_sign",
        }
        if not flags & {"key_agreement"}:
            flags -= {"encipher_only", "decipher_only"}
        extended = dict.fromkeys(_EXTENDED_USAGES[usage] for usage in usages if usage in _EXTENDED_USAGES)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(ca.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.fromtimestamp(begins, UTC))
            .not_valid_after(datetime.fromtimestamp(ends, UTC))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
            )
        )
        if flags:
            every = {name: name in flags for name in dict.fromkeys(_KEY_USAGES.values())}
            builder = builder.add_extension(x509.KeyUsage(**every), critical=True)
        if extended:
            purposes = [x509.ObjectIdentifier(each) for each in extended]
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        try:
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            pass
        else:
            builder = builder.add_extension(names.value, critical=False)
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def plan_life(now: float, asked_s: int | None, longest_s: float) -> tuple[float, float]:
    """(begin, end). It begins a little in the past, for clocks that are late; a short life is not shortened by that."""
    life_s = longest_s if asked_s is None else max(SHORTEST_S, min(float(asked_s), longest_s))
    end = now + life_s if life_s < _SHORT_S else now + life_s - BACKDATE_S
    return now - BACKDATE_S, end


def csr_signing(signer: Signer) -> Reconciler:
    """The reconciler that signs by `signer`."""

    @reconciler(CERTIFICATESIGNINGREQUESTS, name="csrsigning", event_source="certificate-controller")
    async def reconcile(ctx: Context, key: Key) -> float | None:
        csr = ctx.get(key)
        if csr is None or verdict_of(csr) != "Approved" or (csr.get("status") or {}).get("certificate"):
            return None
        spec = csr["spec"]
        if spec.get("signerName") not in SIGNERS:
            return None
        try:
            request = load_request(csr)
        except UnreadableRequest as error:
            ctx.log.warning("a request for a certificate cannot be read", csr=key.name, error=str(error))
            return None
        status = dict(csr.get("status") or {})
        if why := refusal(spec["signerName"], wanted_of(request), spec.get("usages") or ()):
            failed = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": why}
            status["conditions"] = [*(status.get("conditions") or ()), failed]
        else:
            status["certificate"] = base64.b64encode(signer.sign(request, spec, ctx.now)).decode()
        await ctx.client.update(CERTIFICATESIGNINGREQUESTS, {**csr, "status": status}, subresource="status")
        return None

    return reconcile
