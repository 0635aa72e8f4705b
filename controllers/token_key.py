"""The private key that signs ServiceAccount tokens, read from its file for every token: a replaced key counts at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class TokenKeyError(Exception):
    """The key cannot be used; the message names the file and what is wrong."""


class TokenKey:
    """Implements controllers.serviceaccounttoken.SignClaims: ES256 or RS256, as the key is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, claims: Mapping[str, Any]) -> str:
        """Raises TokenKeyError."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        from joserfc import jwt
        from joserfc.jwk import ECKey, RSAKey

        try:
            pem = self._path.read_bytes()
            private = serialization.load_pem_private_key(pem, None)
        except (OSError, ValueError) as error:
            raise TokenKeyError(f"{self._path} cannot be read: {error}") from error
        key: ECKey | RSAKey
        if isinstance(private, ec.EllipticCurvePrivateKey):
            key, algorithm = ECKey.import_key(pem), "ES256"
        elif isinstance(private, rsa.RSAPrivateKey):
            key, algorithm = RSAKey.import_key(pem), "RS256"
        else:
            raise TokenKeyError(f"{self._path} holds neither an elliptic-curve nor an RSA key")
        return jwt.encode(
            {"alg": algorithm, "kid": key.thumbprint()}, dict(claims), key, algorithms=[algorithm]
        )
