"""JWTs of other issuers (OIDC): signature, issuer, audience, time, then the issuer's own rules make the user.

A token's signature and rules are worked out once and believed for ten seconds, its end at every request.
The algorithm must be one the issuer may use and fit the key: nothing is believed because a token says so.

Source: Kubernetes "Authenticating", OpenID Connect Tokens.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from apiserver.auth.authentication_config import JwtIssuer
from apiserver.auth.claims import ClaimsMapper
from apiserver.auth.issuer_keys import IssuerKeys
from apiserver.auth.seams import Credentials
from apiserver.auth.user import User
from client.logs import get_logger
from machinery.clock import Clock
from machinery.errors import Unauthorized
from machinery.remembered import Remembered

log = get_logger("oidc")

ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")
BELIEVED_S = 10.0
REMEMBERED = 4096
_MOST_BYTES = 64 * 1024


class OidcAuthenticator:
    """One issuer. `run` keeps its keys."""

    def __init__(self, issuer: JwtIssuer, keys: IssuerKeys, clock: Clock, path: str = "jwt[0]") -> None:
        """Raises Invalid where an expression cannot be compiled."""
        self.issuer = issuer
        self._keys = keys
        self._clock = clock
        self._mapper = ClaimsMapper(issuer, path)
        self._algorithms = issuer.algorithms or ALGORITHMS
        self._known: Remembered[str, User] = Remembered(REMEMBERED)

    async def run(self) -> None:
        await self._keys.run()

    async def authenticate(self, credentials: Credentials) -> User | None:
        """Raises Unauthorized; None for what is no JWT of this issuer."""
        token = credentials.bearer_token
        if not token:
            return None
        now = self._clock.now()
        known = self._known.get(token, now)
        if known is not None:
            return known
        parts = split_jwt(token)
        if parts is None or parts[1].get("iss") != self.issuer.url:
            return None
        header, claims = parts
        try:
            await self._verify(token, header)
            expires = check_times(claims, now)
            _check_audience(claims, self.issuer.audiences)
            user = self._mapper.user_of(claims)
        except Unauthorized as error:
            log.warning("a token was refused", issuer=self.issuer.url, why=error.message)
            raise
        self._known.put(token, user, min(expires, now + BELIEVED_S))
        return user

    async def _verify(self, token: str, header: dict[str, Any]) -> None:
        from joserfc import jws
        from joserfc.errors import JoseError

        algorithm = header.get("alg")
        if algorithm not in self._algorithms:
            raise Unauthorized(
                f"Unauthorized: oidc: the token is signed with unsupported algorithm {algorithm!r}"
            )
        keys = await self._keys.find(str(header.get("kid") or ""))
        if not keys and not self._keys.is_ready:
            raise Unauthorized(f"Unauthorized: oidc: authenticator not initialized: {self._keys.failure}")
        for key in keys:
            if (key.key_type == "RSA") != (algorithm[0] in "RP"):
                continue
            try:
                jws.deserialize_compact(token, key, algorithms=[algorithm])
            except (JoseError, ValueError):
                continue
            return
        raise Unauthorized("Unauthorized: oidc: failed to verify signature: no keys verified it")


class OidcAuthenticators:
    """Several issuers; each token goes to its own. They may be replaced while `run` keeps their keys."""

    def __init__(self, issuers: Sequence[OidcAuthenticator] = ()) -> None:
        self._issuers = tuple(issuers)
        self._replaced = asyncio.Event()

    async def authenticate(self, credentials: Credentials) -> User | None:
        for issuer in self._issuers:
            user = await issuer.authenticate(credentials)
            if user is not None:
                return user
        return None

    def replace(
        self, issuers: Sequence[JwtIssuer], make: Callable[[JwtIssuer, str], OidcAuthenticator]
    ) -> None:
        """From the next token on. Who stays as they were keep their keys. Raises Invalid, and then nothing changes."""
        there = {each.issuer: each for each in self._issuers}
        self._issuers = tuple(
            there.get(issuer) or make(issuer, f"jwt[{index}]") for index, issuer in enumerate(issuers)
        )
        self._replaced.set()

    async def run(self) -> None:
        while True:
            self._replaced.clear()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(issuer.run()) for issuer in self._issuers]
                await self._replaced.wait()
                for task in tasks:
                    task.cancel()


def split_jwt(token: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(header, claims) as the token has them, believed by nobody yet; None for what is no JWT."""
    if token.count(".") != 2 or len(token) > _MOST_BYTES:
        return None
    decoded = []
    for part in token.split(".")[:2]:
        try:
            value = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except (binascii.Error, ValueError):
            return None
        if not isinstance(value, dict):
            return None
        decoded.append(value)
    return decoded[0], decoded[1]


def check_times(claims: dict[str, Any], now: float) -> float:
    """When the token ends. Raises Unauthorized where that is past, or its begin is to come (five minutes off)."""
    expires, not_before = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or isinstance(expires, bool):
        raise Unauthorized("Unauthorized: oidc: the token has no expiry")
    if now > expires:
        raise Unauthorized("Unauthorized: oidc: token is expired")
    if not isinstance(not_before, int | float) or now + 300 < not_before:
        raise Unauthorized("Unauthorized: oidc: current time is before the nbf (not before) time")
    return float(expires)


def _check_audience(claims: dict[str, Any], wanted: Sequence[str]) -> None:
    said = claims.get("aud")
    held = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    if not any(audience in held for audience in wanted):
        shown = wanted[0] if len(wanted) == 1 else list(wanted)
        raise Unauthorized(f"Unauthorized: oidc: expected audience in {shown!r} got {held}")
