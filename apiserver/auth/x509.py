"""Client certificates: the common name is the user, each organization a group.

TLS has verified the certificate against the client CA before it comes here, once for a connection; it
is read once and then known by its bytes. Its end is looked at with every request: a connection may
outlive it.
"""

from __future__ import annotations

from apiserver.auth.authorities import Authorities
from apiserver.auth.seams import Credentials
from apiserver.auth.user import User
from machinery.clock import Clock
from machinery.errors import Unauthorized

AUTHENTICATED = "system:authenticated"
REMEMBERED = 4096


class CertificateAuthenticator:
    """`issuers`: whose certificates these are, where TLS also trusts others; None where it does not."""

    def __init__(self, clock: Clock, issuers: Authorities | None = None) -> None:
        self._clock = clock
        self._issuers = issuers
        self._known: dict[bytes, tuple[User, float]] = {}

    async def authenticate(self, credentials: Credentials) -> User | None:
        der = credentials.certificate_der
        if not der or (self._issuers is not None and not self._issuers.have_issued(der)):
            return None
        known = self._known.get(der)
        if known is None:
            known = read_certificate(der)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[der] = known
        user, expires_s = known
        if self._clock.now() > expires_s:
            raise Unauthorized("Unauthorized: the client certificate has expired")
        return user


def read_certificate(der: bytes) -> tuple[User, float]:
    """(the user it names, when it expires in epoch seconds). Raises Unauthorized."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise Unauthorized("Unauthorized: the client certificate cannot be read") from error
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not names or not names[0].value:
        raise Unauthorized("Unauthorized: the client certificate has no common name")
    groups = [str(a.value) for a in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    fingerprint = x509_fingerprint(der)
    user = User(
        str(names[0].value),
        tuple(dict.fromkeys([*groups, AUTHENTICATED])),
        extra={"authentication.kubernetes.io/credential-id": [f"X509SHA256={fingerprint}"]},
    )
    return user, certificate.not_valid_after_utc.timestamp()


def x509_fingerprint(der: bytes) -> str:
    from hashlib import sha256

    return sha256(der).hexdigest()
