"""JWTs of a real issuer over HTTPS: keys found, kept, fetched again; and an issuer that is down holds nobody up."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from https_world import Authority, Issuer, https_server

from apiserver.auth import issuer_keys
from apiserver.auth.authentication_config import JwtIssuer, config_of_flags, parse_config
from apiserver.auth.issuer_keys import IssuerKeys
from apiserver.auth.oidc import OidcAuthenticator, OidcAuthenticators
from apiserver.auth.seams import Credentials
from apiserver.auth.user import User
from apiserver.security import fetch_by
from machinery.clock import SystemClock
from machinery.errors import Unauthorized

Body = Callable[[Issuer, Callable[[str], Awaitable[User | None]]], Awaitable[None]]


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "jane", "aud": "kctl", "exp": time.time() + 600, **more}


def with_issuer(
    tmp_path: Path, body: Body, make: Callable[[str, str], JwtIssuer], *, alive: bool = True
) -> None:
    authority, issuer = Authority(tmp_path), Issuer()
    issuer.alive = alive

    async def main(url: str) -> None:
        clock, rng = SystemClock(), random.Random(1)

        def built(said: JwtIssuer, path: str) -> OidcAuthenticator:
            keys = IssuerKeys(said.url, fetch_by(said.certificate_authority), clock, rng)
            return OidcAuthenticator(said, keys, clock, path)

        several = OidcAuthenticators()
        several.replace([make(url, authority.pem.decode())], built)
        running = asyncio.ensure_future(several.run())

        async def ask(token: str) -> User | None:
            return await several.authenticate(Credentials(bearer_token=token))

        try:
            await body(issuer, ask)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    with https_server(authority, issuer.answer) as url:
        issuer.url = url
        asyncio.run(main(url))


def by_flags(url: str, ca: str) -> JwtIssuer:
    return config_of_flags(url, "kctl", certificate_authority=ca, groups_claim="groups", algorithms=["ES256"])


async def soon(ask: Callable[[str], Awaitable[User | None]], token: str) -> User | None:
    """Once the keys are there."""
    for _ in range(200):
        try:
            return await ask(token)
        except Unauthorized as error:
            if "not initialized" not in error.message:
                raise
            await asyncio.sleep(0.01)
    raise AssertionError("the issuer's keys did not come")


def test_token_of_the_issuer_makes_its_user(tmp_path: Path) -> None:
    async def body(issuer: Issuer, ask: Callable[[str], Awaitable[User | None]]) -> None:
        user = await soon(ask, issuer.token(claims(groups=["dev"])))
        assert user is not None
        assert (user.name, user.groups) == (f"{issuer.url}#jane", ("dev", "system:authenticated"))
        assert await ask("no-jwt") is None
        other = Issuer()
        other.url = "https://elsewhere"
        assert await ask(other.token(claims())) is None
        other.url = issuer.url  # the right issuer's name, but another's signature under the same key id
        with pytest.raises(Unauthorized, match="verify signature"):
            await ask(other.token(claims(), kid="key-0"))
        for wrong, why in (
            (claims(aud="other"), "audience"),
            (claims(exp=time.time() - 1), "expired"),
            (claims(nbf=time.time() + 900), "not before"),
            ({"sub": "jane", "aud": "kctl"}, "no expiry"),
        ):
            with pytest.raises(Unauthorized, match=why):
                await ask(issuer.token(wrong))

    with_issuer(tmp_path, body, by_flags)


def test_new_key_is_fetched_once_for_all_who_show_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "APART_S", 0.05)

    async def body(issuer: Issuer, ask: Callable[[str], Awaitable[User | None]]) -> None:
        await soon(ask, issuer.token(claims()))
        issuer.add_key()
        before = issuer.fetches
        users = await asyncio.gather(*(ask(issuer.token(claims(sub=f"user-{n}"))) for n in range(5)))
        assert [user.name.partition("#")[2] for user in users if user] == [f"user-{n}" for n in range(5)]
        assert issuer.fetches == before + 1

    with_issuer(tmp_path, body, by_flags)


def test_dead_issuer_holds_nobody_up(tmp_path: Path) -> None:
    async def body(issuer: Issuer, ask: Callable[[str], Awaitable[User | None]]) -> None:
        started = time.monotonic()
        with pytest.raises(Unauthorized, match="not initialized"):
            await ask(issuer.token(claims()))
        assert await ask("some-other-token") is None
        assert time.monotonic() - started < 2  # asked nobody

    with_issuer(tmp_path, body, by_flags, alive=False)


def test_structured_configuration_maps_and_judges_by_expressions(tmp_path: Path) -> None:
    def structured(url: str, ca: str) -> JwtIssuer:
        entry = {
            "issuer": {"url": url, "audiences": ["kctl", "x"], "audienceMatchPolicy": "MatchAny", "certificateAuthority": ca},
            "claimValidationRules": [
                {"claim": "hd", "requiredValue": "example.com"},
                {"expression": "claims.level > 2", "message": "the level is too low"},
            ],
            "claimMappings": {
                "username": {"expression": "claims.sub + ':kctl'"},
                "groups": {"expression": "claims.roles.split(',')"},
                "uid": {"claim": "sub"},
                "extra": [{"key": "example.com/team", "valueExpression": "claims.team"}],
            },
            "userValidationRules": [{"expression": "!user.username.startsWith('system:')", "message": "reserved"}],
        }  # fmt: skip
        config = {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": [entry],
        }
        return parse_config(config).issuers[0]

    async def body(issuer: Issuer, ask: Callable[[str], Awaitable[User | None]]) -> None:
        good = claims(hd="example.com", level=3, roles="dev,ops", team="blue")
        user = await soon(ask, issuer.token(good))
        assert user == User(
            "jane:kctl", ("dev", "ops", "system:authenticated"), "jane", {"example.com/team": ["blue"]}
        )
        for change, why in (
            ({"hd": "other"}, "value does not match"),
            ({"level": 2}, "the level is too low"),
            ({"sub": "system:me"}, "reserved"),
            ({"team": 7}, "neither a string"),
        ):
            with pytest.raises(Unauthorized, match=why):
                await ask(issuer.token({**good, **change}))

    with_issuer(tmp_path, body, structured)
