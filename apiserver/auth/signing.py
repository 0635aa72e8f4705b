"""Signs and verifies ServiceAccount tokens: JWTs by ES256 or RS256, as the key is.

The algorithm is fixed by the key and never taken from a token. joserfc is imported with the first
token: it is not needed to start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from machinery.errors import Unauthorized

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

Claims = dict[str, Any]
LEGACY_ISSUER = "kubernetes/serviceaccount"  # of tokens that live in Secrets
_PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----\n?", re.DOTALL)


class SigningKeyError(Exception):
    """The key material cannot be used."""


class TokenSigner:
    """`private_pem` signs; `older_public_pems` (public or private, several in one are fine) still verify what replaced
    keys have signed. Tokens are issued under `issuer`; those of `older_issuers` are still believed.
    """

    def __init__(
        self,
        private_pem: bytes,
        issuer: str,
        older_public_pems: Sequence[bytes] = (),
        *,
        older_issuers: Sequence[str] = (),
        jwks_uri: str = "",
    ) -> None:
        self.issuer = issuer
        self.issuers = frozenset({issuer, *older_issuers})
        self._jwks_uri = jwks_uri or f"{issuer}/openid/v1/jwks"
        self._private_pem = private_pem
        self._older = tuple(block for pem in older_public_pems for block in pem_blocks(pem))
        self._keys: list[ECKey | RSAKey] = []

    def sign(self, claims: Mapping[str, Any]) -> str:
        from joserfc import jwt

        key = self._loaded()[0]
        header = {"alg": _algorithm(key), "kid": key.thumbprint()}
        return jwt.encode(header, dict(claims), key, algorithms=[_algorithm(key)])

    def verify(self, token: str) -> Claims:
        """The claims of a token that we signed, whatever they say. Raises Unauthorized."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        failure: Exception | None = None
        for key in self._loaded():
            try:
                return dict(jwt.decode(token, key, algorithms=[_algorithm(key)]).claims)
            except (JoseError, ValueError) as error:
                failure = error
        raise Unauthorized("Unauthorized: the token was not signed by this cluster") from failure

    def is_ours(self, token: str) -> bool:
        """Whether it looks like a JWT of this cluster, without trusting it."""
        import base64
        import binascii

        import orjson

        parts = token.split(".")
        if len(parts) != 3:
            return False
        try:
            claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (binascii.Error, ValueError):
            return False
        issuer = claims.get("iss") if isinstance(claims, dict) else None
        return isinstance(issuer, str) and (issuer in self.issuers or issuer == LEGACY_ISSUER)

    def jwks(self) -> dict[str, Any]:
        """The public keys, for who verifies tokens without asking us."""
        keys = []
        for key in self._loaded():
            public = dict(key.as_dict(private=False))
            public.update(use="sig", alg=_algorithm(key), kid=key.thumbprint())
            keys.append(public)
        return {"keys": keys}

    def openid_configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "jwks_uri": self._jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": sorted({_algorithm(key) for key in self._loaded()}),
        }

    def _loaded(self) -> list[ECKey | RSAKey]:
        if not self._keys:
            keys = [_load(pem) for pem in (self._private_pem, *self._older)]
            self._keys = list({key.thumbprint(): key for key in keys}.values())
        return self._keys


def pem_blocks(pem: bytes) -> list[bytes]:
    """Every key of a file that may hold several."""
    return [match.group(0) for match in _PEM.finditer(pem)]


def _load(pem: bytes) -> ECKey | RSAKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from joserfc.jwk import ECKey, RSAKey

    private = b"PRIVATE" in pem
    try:
        key = (
            serialization.load_pem_private_key(pem, None)
            if private
            else serialization.load_pem_public_key(pem)
        )
    except ValueError as error:
        raise SigningKeyError(f"the service-account key cannot be read: {error}") from error
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return ECKey.import_key(pem)
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return RSAKey.import_key(pem)
    raise SigningKeyError("the service-account key is neither an elliptic-curve nor an RSA key")


def _algorithm(key: ECKey | RSAKey) -> str:
    return "RS256" if key.key_type == "RSA" else "ES256"
