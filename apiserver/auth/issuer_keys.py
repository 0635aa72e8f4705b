"""The public keys of an OIDC issuer: found by discovery, kept, and fetched again when a token names one not known.

`run` fetches them at once and tries again, ever more slowly, while the issuer is down; it never stops the server from
starting. A token with an unknown key waits for one fetch that all such tokens share, for a few seconds at most; fetches
are seconds apart, so that forged key ids cannot make us hammer the issuer. Who shows no token of this issuer never waits.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from client.logs import get_logger
from machinery.clock import Clock

if TYPE_CHECKING:
    from joserfc.jwk import Key

log = get_logger("oidc")

# Gives the body at a URL. Raises FetchFailed.
Fetch = Callable[[str], Awaitable[bytes]]
WAIT_S = 5.0
APART_S = 5.0
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 60.0
WELL_KNOWN = "/.well-known/openid-configuration"


class FetchFailed(Exception):
    """The issuer gave no answer that counts; the message says what went wrong."""


class IssuerKeys:
    """`discovery_url` is where the configuration lies, when that is not below the issuer's own URL."""

    def __init__(
        self, issuer: str, fetch: Fetch, clock: Clock, rng: random.Random, *, discovery_url: str = ""
    ) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._rng = rng
        self._url = discovery_url or issuer.rstrip("/") + WELL_KNOWN
        self._keys: list[Key] = []
        self._wanted = asyncio.Event()
        self._fetched = asyncio.Event()
        self._tried_s = float("-inf")
        self.failure = "the issuer's keys were not fetched yet"

    @property
    def is_ready(self) -> bool:
        return bool(self._keys)

    async def run(self) -> None:
        """Until cancelled."""
        delay_s = _FIRST_RETRY_S
        while True:
            self._tried_s = self._clock.monotonic()
            try:
                self._keys = await self._load()
            except FetchFailed as error:
                if str(error) != self.failure:
                    log.warning("an issuer's keys cannot be fetched", issuer=self._issuer, error=str(error))
                self.failure = str(error)
            else:
                self.failure = ""
                delay_s = _FIRST_RETRY_S
            fetched, self._fetched = self._fetched, asyncio.Event()
            fetched.set()
            if self._keys:
                await self._wanted.wait()
                await self._clock.sleep(max(0.0, self._tried_s + APART_S - self._clock.monotonic()))
            else:
                await self._clock.sleep(delay_s * (1 + self._rng.random() / 10))
                delay_s = min(delay_s * 2, _LAST_RETRY_S)
            self._wanted.clear()

    async def find(self, key_id: str) -> Sequence[Key]:
        """The keys that may have signed a token with this `kid` (all, for a token without one)."""
        found = self._matching(key_id)
        if found or not self._keys:
            return found
        self._wanted.set()
        fetched = self._fetched
        try:
            async with asyncio.timeout(WAIT_S):
                await fetched.wait()
        except TimeoutError:
            return []
        return self._matching(key_id)

    def _matching(self, key_id: str) -> list[Key]:
        return [key for key in self._keys if not key_id or key.kid == key_id]

    async def _load(self) -> list[Key]:
        """Raises FetchFailed."""
        configuration = _object(await self._fetch(self._url), self._url)
        if configuration.get("issuer") != self._issuer:
            said = configuration.get("issuer")
            raise FetchFailed(
                f"oidc: issuer did not match the issuer returned by provider, expected {self._issuer!r} got {said!r}"
            )
        where = configuration.get("jwks_uri")
        if not isinstance(where, str) or not where.startswith("https://"):
            raise FetchFailed(f"{self._url} names no jwks_uri with https")
        return read_keys(_object(await self._fetch(where), where))


def read_keys(jwks: dict[str, Any]) -> list[Key]:
    """The keys that can verify signatures; one that cannot be read does not spoil the others."""
    from joserfc.jwk import ECKey, RSAKey

    kinds: dict[str, Any] = {"RSA": RSAKey, "EC": ECKey}
    told, found = jwks.get("keys"), []
    for each in told if isinstance(told, list) else ():
        kind = kinds.get(str(each.get("kty"))) if isinstance(each, dict) else None
        if kind is None or each.get("use", "sig") != "sig":
            continue
        try:
            found.append(kind.import_key(each))
        except Exception as error:  # each library below has errors of its own, and all mean the same
            log.warning("a key of an issuer cannot be read", kid=str(each.get("kid", "")), error=str(error))
    return found


def _object(body: bytes, where: str) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise FetchFailed(f"{where} gave no JSON: {error}") from error
    if not isinstance(value, dict):
        raise FetchFailed(f"{where} gave no JSON object")
    return value
