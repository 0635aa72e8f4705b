"""Who is it: certificates, token files, ServiceAccount tokens and what they are bound to, impersonation."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from apiserver.auth.impersonation import impersonate
from apiserver.auth.seams import Credentials
from apiserver.auth.serviceaccounts import service_account_user
from apiserver.auth.signing import SigningKeyError, TokenSigner
from apiserver.auth.token_file import TokenFileAuthenticator, TokenFileError
from apiserver.auth.user import User
from apiserver.auth.x509 import CertificateAuthenticator
from machinery.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound, Unauthorized
from machinery.virtual_loop import DEFAULT_EPOCH_S

NOW = datetime.fromtimestamp(DEFAULT_EPOCH_S, UTC)


def certificate(name: str, groups: tuple[str, ...], life: timedelta = timedelta(days=1)) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    if name:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
    subject = x509.Name(attributes)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + life)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


class FixedClock:
    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, delay_s: float) -> None:
        return None


def test_certificate_names_user_and_groups_until_it_ends() -> None:
    async def main() -> None:
        der = certificate("jane", ("dev", "ops"))
        valid = CertificateAuthenticator(FixedClock(DEFAULT_EPOCH_S))
        user = await valid.authenticate(Credentials(certificate_der=der))
        assert user is not None and (user.name, user.groups) == (
            "jane",
            ("dev", "ops", "system:authenticated"),
        )
        assert await valid.authenticate(Credentials()) is None
        with pytest.raises(Unauthorized, match="no common name"):
            await valid.authenticate(Credentials(certificate_der=certificate("", ("dev",))))
        with pytest.raises(Unauthorized, match="cannot be read"):
            await valid.authenticate(Credentials(certificate_der=b"junk"))
        late = CertificateAuthenticator(FixedClock(DEFAULT_EPOCH_S + 86401))
        with pytest.raises(Unauthorized, match="expired"):
            await late.authenticate(Credentials(certificate_der=der))

    asyncio.run(main())


def test_token_file_knows_its_tokens_and_names_bad_lines(tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    path.write_text('# people\nt0ken,jane,u1,"dev, ops"\nother,joe,u2\n')

    async def main() -> None:
        known = TokenFileAuthenticator.from_file(path)
        jane = await known.authenticate(Credentials(bearer_token="t0ken"))
        assert jane == User("jane", ("dev", "ops", "system:authenticated"), "u1")
        assert await known.authenticate(Credentials(bearer_token="none")) is None

    asyncio.run(main())
    path.write_text("only,two\n")
    with pytest.raises(TokenFileError, match=r"tokens.csv, line 1: expected token,user,uid"):
        TokenFileAuthenticator.from_file(path)
    with pytest.raises(TokenFileError, match="cannot read"):
        TokenFileAuthenticator.from_file(tmp_path / "none")


def request(
    seconds: int | None = None, bound: dict[str, str] | None = None, audiences: list[str] | None = None
) -> Any:
    spec: dict[str, Any] = {}
    if seconds is not None:
        spec["expirationSeconds"] = seconds
    if bound:
        spec["boundObjectRef"] = bound
    if audiences:
        spec["audiences"] = audiences
    return {"spec": spec}


async def fill(c: Any) -> None:
    await c.put("service_accounts", {"metadata": {"name": "bot", "namespace": "a"}})
    spec = {"serviceAccountName": "bot", "nodeName": "n1"}
    await c.put("pods", {"metadata": {"name": "p", "namespace": "a"}, "spec": spec})
    await c.put("nodes", {"metadata": {"name": "n1"}})


POD = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "uid-p"}


def test_issued_token_names_its_account_until_it_expires(with_cluster: Any, ec_pem: bytes) -> None:
    async def body(c: Any) -> None:
        await fill(c)
        answer = await c.security.tokens.issue("a", "bot", request(700))
        assert answer["status"]["expirationTimestamp"] == "2026-01-01T00:11:40Z"
        assert answer["spec"] == {
            "boundObjectRef": None,
            "audiences": [c.signer.issuer],
            "expirationSeconds": 700,
        }
        token = Credentials(bearer_token=answer["status"]["token"])
        user = await c.security.authenticator.authenticate(token)
        assert user is not None and user.name == "system:serviceaccount:a:bot" and user.uid == "uid-bot"
        assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated")
        await c.clock.sleep(701)
        with pytest.raises(Unauthorized, match="expired"):
            await c.security.authenticator.authenticate(token)

    with_cluster(body, ec_pem)


def test_bound_token_ends_with_its_pod_and_tells_pod_and_node(with_cluster: Any, ec_pem: bytes) -> None:
    async def body(c: Any) -> None:
        await fill(c)
        answer = await c.security.tokens.issue("a", "bot", request(bound=POD))
        token = Credentials(bearer_token=answer["status"]["token"])
        user = await c.security.authenticator.authenticate(token)
        extra = {
            key.removeprefix("authentication.kubernetes.io/"): value for key, value in user.extra.items()
        }
        extra.pop("credential-id")
        assert extra == {"pod-name": ["p"], "pod-uid": ["uid-p"], "node-name": ["n1"], "node-uid": ["uid-n1"]}
        await c.drop("pods", "a", "p")
        with pytest.raises(Unauthorized, match='pod "p" is gone'):
            await c.security.authenticator.authenticate(token)
        await c.put("pods", {"metadata": {"name": "p", "namespace": "a", "uid": "new"}, "spec": {}})
        with pytest.raises(Unauthorized, match="another one of the same name"):
            await c.security.authenticator.authenticate(token)

    with_cluster(body, ec_pem)


def test_token_of_a_deleted_account_is_worth_nothing(with_cluster: Any, ec_pem: bytes) -> None:
    async def body(c: Any) -> None:
        await fill(c)
        answer = await c.security.tokens.issue("a", "bot", request())
        token = Credentials(bearer_token=answer["status"]["token"])
        gone = {
            "name": "bot",
            "namespace": "a",
            "uid": "uid-bot",
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        }
        await c.put("service_accounts", {"metadata": gone})
        assert await c.security.authenticator.authenticate(token) is not None, "a minute to say good-bye"
        await c.clock.sleep(61)
        with pytest.raises(Unauthorized, match="being deleted"):
            await c.security.authenticator.authenticate(token)

    with_cluster(body, ec_pem)


def test_token_for_another_audience_does_not_open_the_api(with_cluster: Any, ec_pem: bytes) -> None:
    async def body(c: Any) -> None:
        await fill(c)
        answer = await c.security.tokens.issue("a", "bot", request(audiences=["vault", "x"]))
        token = answer["status"]["token"]
        with pytest.raises(Unauthorized, match="not for"):
            await c.security.authenticator.authenticate(Credentials(bearer_token=token))
        user, audiences = await c.security.service_accounts.authenticate_token(token, ["y", "vault"])
        assert user.name == "system:serviceaccount:a:bot" and audiences == ["vault"]

    with_cluster(body, ec_pem)


def test_forged_tokens_are_refused_and_foreign_ones_left_to_others(with_cluster: Any, ec_pem: bytes) -> None:
    async def body(c: Any) -> None:
        await fill(c)
        stranger = TokenSigner(new_pem(), c.signer.issuer)
        claims = {"iss": c.signer.issuer, "sub": "system:serviceaccount:a:bot", "exp": 9999999999}
        with pytest.raises(Unauthorized, match="not signed by this cluster"):
            await c.security.authenticator.authenticate(Credentials(bearer_token=stranger.sign(claims)))
        good = (await c.security.tokens.issue("a", "bot", request()))["status"]["token"]
        head, payload, signature = good.split(".")
        for forged in (f"{head}.{payload}.", f"{head}.{payload}.{signature[:-4]}AAAA"):
            with pytest.raises(Unauthorized):
                await c.security.authenticator.authenticate(Credentials(bearer_token=forged))
        elsewhere = TokenSigner(new_pem(), "https://elsewhere")
        for other in ("opaque", "a.b.c", elsewhere.sign({**claims, "iss": "https://elsewhere"})):
            assert await c.security.authenticator.authenticate(Credentials(bearer_token=other)) is None

    with_cluster(body, ec_pem)


def test_bad_token_requests_are_named(with_cluster: Any, ec_pem: bytes) -> None:
    async def body(c: Any) -> None:
        await fill(c)
        await c.put("service_accounts", {"metadata": {"name": "other", "namespace": "a"}})
        issue = c.security.tokens.issue
        with pytest.raises(NotFound, match='serviceaccounts "none" not found'):
            await issue("a", "none", request())
        with pytest.raises(Invalid, match="less than 10 minutes"):
            await issue("a", "bot", request(599))
        with pytest.raises(NotFound, match='pods "q" not found'):
            await issue("a", "bot", request(bound={**POD, "name": "q"}))
        with pytest.raises(Conflict, match="does not match the UID"):
            await issue("a", "bot", request(bound={**POD, "uid": "x"}))
        with pytest.raises(BadRequest, match="different serviceaccount name"):
            await issue("a", "other", request(bound=POD))
        with pytest.raises(BadRequest, match="cannot bind token"):
            await issue("a", "bot", request(bound={**POD, "kind": "Deployment"}))

    with_cluster(body, ec_pem)


def new_pem(rsa_key: bool = False) -> bytes:
    key = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_rotated_keys_still_verify_and_publish_only_their_public_half() -> None:
    old = new_pem(rsa_key=True)
    signed = TokenSigner(old, "i").sign({"iss": "i"})
    public = (
        serialization.load_pem_private_key(old, None)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    signer = TokenSigner(new_pem(), "https://i", [public])
    assert signer.verify(signed) == {"iss": "i"}
    keys = signer.jwks()["keys"]
    assert [(key["kty"], key["alg"], key["use"]) for key in keys] == [
        ("EC", "ES256", "sig"),
        ("RSA", "RS256", "sig"),
    ]
    assert not any({"d", "p", "q"} & key.keys() for key in keys)
    document = signer.openid_configuration()
    assert document["jwks_uri"] == "https://i/openid/v1/jwks"
    assert document["id_token_signing_alg_values_supported"] == ["ES256", "RS256"]
    with pytest.raises(SigningKeyError, match="cannot be read"):
        TokenSigner(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "i").sign({})


def test_impersonation_needs_the_right_to_every_part(with_cluster: Any) -> None:
    async def body(c: Any) -> None:
        rules = [
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["jane"]},
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups"], "resourceNames": ["dev"]},
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["serviceaccounts"]},
        ]
        await c.put("cluster_roles", {"metadata": {"name": "actor"}, "rules": rules})
        subject = [{"kind": "User", "name": "boss"}]
        await c.put(
            "cluster_role_bindings",
            {
                "metadata": {"name": "actor"},
                "subjects": subject,
                "roleRef": {"kind": "ClusterRole", "name": "actor"},
            },
        )

        async def acting(**headers: str) -> User:
            named = {f"impersonate-{key.replace('_', '-')}": value for key, value in headers.items()}
            return await impersonate(User("boss"), named, c.security.authorizer)

        assert await acting(user="jane", group="dev") == User("jane", ("dev", "system:authenticated"))
        account = await acting(user="system:serviceaccount:a:bot")
        assert account == service_account_user("a", "bot")
        for refused in (
            {"user": "joe"},
            {"user": "jane", "group": "dev\nops"},
            {"user": "jane", "extra_scopes": "x"},
        ):
            with pytest.raises(Forbidden, match='User "boss" cannot impersonate resource'):
                await acting(**refused)
        with pytest.raises(BadRequest, match="without impersonating a user"):
            await acting(group="dev")

    with_cluster(body)
