"""Several keys, several issuers, longer lives and tokens in Secrets; and who an impersonated user becomes."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.auth.impersonation import impersonate
from apiserver.auth.seams import Credentials, Decision
from apiserver.auth.serviceaccounts import ServiceAccountAuthenticator
from apiserver.auth.signing import LEGACY_ISSUER, TokenSigner
from apiserver.auth.tokens import EXTENDED_S, TokenIssuer
from apiserver.auth.user import User
from machinery.errors import BadRequest, Unauthorized

Obj = dict[str, Any]


def pems() -> tuple[bytes, bytes]:
    """(private, public)."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public


def test_keys_are_replaced_without_ending_tokens() -> None:
    (old_private, old_public), (new_private, _), (_, third_public) = pems(), pems(), pems()
    old = TokenSigner(old_private, "https://old")
    token = old.sign({"iss": "https://old", "sub": "x"})
    new = TokenSigner(
        new_private, "https://new", [old_public + third_public, new_private], older_issuers=["https://old"]
    )
    assert new.is_ours(token) and new.verify(token)["sub"] == "x"
    assert len(new.jwks()["keys"]) == 3  # the signing key is there once
    assert not any("d" in key for key in new.jwks()["keys"])
    assert new.openid_configuration()["jwks_uri"] == "https://new/openid/v1/jwks"
    elsewhere = TokenSigner(new_private, "https://new", jwks_uri="https://keys/here")
    assert elsewhere.openid_configuration()["jwks_uri"] == "https://keys/here"
    assert not elsewhere.is_ours(token)
    with pytest.raises(Unauthorized):
        elsewhere.verify(token)


def parts(cluster: Any, pem: bytes, **options: Any) -> tuple[TokenIssuer, ServiceAccountAuthenticator]:
    signer = TokenSigner(pem, "https://issuer")
    stores = {
        "service_accounts": cluster.caches["service_accounts"],
        "pods": cluster.caches["pods"],
        "secrets": cluster.caches["secrets"],
        "nodes": cluster.caches["nodes"],
    }
    issuer = TokenIssuer(signer, **stores, clock=cluster.clock, rng=cluster.rng, **options)
    return issuer, ServiceAccountAuthenticator(signer, **stores, clock=cluster.clock)


@pytest.mark.parametrize(
    ("spec", "extend", "lasts_s"),
    [
        ({"expirationSeconds": 3607}, True, EXTENDED_S),
        ({"expirationSeconds": 3607}, False, 3607),
        ({"expirationSeconds": 3600}, True, 3600),
        ({"expirationSeconds": 3607, "audiences": ["vault"]}, True, 3607),
    ],
)
def test_only_a_pods_usual_token_lives_longer(
    with_cluster: Any, ec_pem: bytes, spec: Obj, extend: bool, lasts_s: int
) -> None:
    async def body(cluster: Any) -> None:
        await cluster.put("service_accounts", {"metadata": {"name": "default", "namespace": "a"}})
        issuer, known = parts(cluster, ec_pem, extend=extend)
        made = await issuer.issue("a", "default", {"spec": spec})
        token = made["status"]["token"]
        claims = known._signer.verify(token)
        assert claims["exp"] - claims["iat"] == lasts_s
        assert ("warnafter" in claims["kubernetes.io"]) is (lasts_s == EXTENDED_S)
        assert (
            made["spec"]["expirationSeconds"] == spec["expirationSeconds"]
        )  # when its reader is to renew it

    with_cluster(body, ec_pem)


def test_token_in_a_secret_is_the_one_that_stands_there(with_cluster: Any, ec_pem: bytes) -> None:
    async def body(cluster: Any) -> None:
        await cluster.put("service_accounts", {"metadata": {"name": "ci", "namespace": "a", "uid": "u1"}})
        _, known = parts(cluster, ec_pem)
        prefix = "kubernetes.io/serviceaccount"
        claims = {
            "iss": LEGACY_ISSUER,
            "sub": "system:serviceaccount:a:ci",
            f"{prefix}/namespace": "a",
            f"{prefix}/secret.name": "t",
            f"{prefix}/service-account.name": "ci",
            f"{prefix}/service-account.uid": "u1",
        }
        signer = known._signer
        token = signer.sign(claims)
        shown = Credentials(bearer_token=token)
        with pytest.raises(Unauthorized, match="invalidated"):
            await known.authenticate(shown)
        secret = {
            "metadata": {"name": "t", "namespace": "a"},
            "data": {"token": base64.b64encode(token.encode()).decode()},
        }
        await cluster.put("secrets", secret)
        user = await known.authenticate(shown)
        assert user is not None and user.name == "system:serviceaccount:a:ci"
        assert (await known.authenticate_token(token, ["https://issuer", "x"]))[1] == ["https://issuer"]
        with pytest.raises(Unauthorized, match="not for"):
            await known.authenticate_token(token, ["vault"])
        for change, why in (
            ({"sub": "system:serviceaccount:a:other"}, "subject does not match"),
            ({f"{prefix}/service-account.uid": "u2"}, "another one"),
            ({f"{prefix}/secret.name": "gone"}, "invalidated"),
        ):
            with pytest.raises(Unauthorized, match=why):
                await known.authenticate(Credentials(bearer_token=signer.sign({**claims, **change})))
        await cluster.put("secrets", {**secret, "data": {"token": base64.b64encode(b"another").decode()}})
        with pytest.raises(Unauthorized, match="invalidated"):
            await known.authenticate(shown)

    with_cluster(body, ec_pem)


class Everybody:
    def authorize(self, attributes: Any) -> Decision:
        return Decision(True)


@pytest.mark.parametrize(
    ("headers", "name", "groups"),
    [
        ({"user": "bob"}, "bob", ("system:authenticated",)),
        ({"user": "bob", "group": "a\nb"}, "bob", ("a", "b", "system:authenticated")),
        ({"user": "bob", "group": "system:unauthenticated"}, "bob", ("system:unauthenticated",)),
        ({"user": "system:anonymous"}, "system:anonymous", ("system:unauthenticated",)),
        ({"user": "system:anonymous", "group": "a"}, "system:anonymous", ("a", "system:unauthenticated")),
        (
            {"user": "system:serviceaccount:n:s"},
            "system:serviceaccount:n:s",
            ("system:serviceaccounts", "system:serviceaccounts:n", "system:authenticated"),
        ),
    ],
)
def test_impersonated_user_has_the_groups_upstream_gives(
    headers: dict[str, str], name: str, groups: tuple[str, ...]
) -> None:
    caller = User("root", ("system:masters",))
    said = {f"impersonate-{key}": value for key, value in headers.items()}
    user = asyncio.run(impersonate(caller, said, Everybody()))
    assert (user.name, user.groups, user.impersonator) == (name, groups, caller)


def test_extra_without_a_user_is_refused() -> None:
    with pytest.raises(BadRequest, match="without impersonating a user"):
        asyncio.run(impersonate(User("root"), {"impersonate-extra-a": "b"}, Everybody()))
