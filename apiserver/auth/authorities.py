"""Which of several CAs a client's certificate is from, where TLS trusts more than one.

TLS has verified the chain up to one of all that it trusts; here it is told whose the certificate is. Only certificates that
a CA of the file has signed itself count: TLS does not hand on what stands between.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from apiserver.config_file import ConfigFileError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_REMEMBERED = 4096


class Authorities:
    """`path` None: nobody's. Raises ConfigFileError."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._cas: list[Certificate] = []
        self._known: dict[bytes, bool] = {}
        self.reload()

    def reload(self) -> None:
        """Raises ConfigFileError, and then nothing changes."""
        if self._path is None:
            return
        from cryptography import x509

        try:
            self._cas = x509.load_pem_x509_certificates(self._path.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigFileError(f"{self._path} holds no certificates: {error}") from error
        self._known.clear()

    def have_issued(self, der: bytes) -> bool:
        known = self._known.get(der)
        if known is None:
            known = self._looked_at(der)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[der] = known
        return known

    def _looked_at(self, der: bytes) -> bool:
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature

        try:
            certificate = x509.load_der_x509_certificate(der)
        except ValueError:
            return False
        for ca in self._cas:
            try:
                certificate.verify_directly_issued_by(ca)
            except (ValueError, TypeError, InvalidSignature):
                continue
            return True
        return False
