"""A whole API server over TLS, put together from flags and files: who gets in, what is told, what lies on disk, and what
is taken up while it runs."""

from __future__ import annotations

import gc
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from https_world import Authority, Issuer, https_server
from tls_site import Site, serving, stored_now, until

from apiserver import __main__ as program
from apiserver import config_file
from client.client import Client
from client.http1 import HttpTransport
from client.transport import TransportError
from machinery.errors import ApiError, Forbidden, Unauthorized
from machinery.gvk import CONFIGMAPS, GVR, NAMESPACES, PODS, SECRETS

Obj = dict[str, Any]
REVIEWS = GVR("authentication.k8s.io", "v1", "selfsubjectreviews", namespaced=False, kind="SelfSubjectReview")
ACCESS = GVR("authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False, kind="SelfSubjectAccessReview")  # fmt: skip
RULES = GVR("authorization.k8s.io", "v1", "selfsubjectrulesreviews", namespaced=False, kind="SelfSubjectRulesReview")  # fmt: skip
KEY_1, KEY_2 = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWI="


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(config_file, "EVERY_S", 0.02)
    thresholds = gc.get_threshold()
    yield Site(tmp_path)
    gc.unfreeze()
    gc.set_threshold(*thresholds)


async def who(client: Client) -> str:
    made = await client.create(REVIEWS, {})
    return str(made["status"]["userInfo"]["username"])


async def is_known(client: Client) -> bool:
    try:
        await who(client)
    except Unauthorized as refused:
        assert "keys were not fetched yet" in str(refused)
        return False
    return True


def test_callers_of_all_kinds_are_known_and_told_of(site: Site) -> None:
    issuer = Issuer()
    asked: list[Obj] = []
    may_reason: list[str] = []

    def answers(method: str, path: str, body: bytes) -> tuple[int, Any]:
        if method == "GET":
            return issuer.answer(method, path, body)
        review = json.loads(body)
        asked.append(review)
        if review["kind"] == "TokenReview":
            known = review["spec"]["token"] == "from-outside"
            return 200, {**review, "status": {"authenticated": known, "user": {"username": "outsider"}}}
        spec = review["spec"]
        return 200, {**review, "status": {"allowed": spec.get("user") == "outsider", "reason": "by hook"}}

    with https_server(site.authority, answers) as url:
        issuer.url = url
        hook = {
            "clusters": [{"name": "c", "cluster": {"server": f"{url}/hook", "certificate-authority": str(site.authority.file)}}],
            "users": [],
            "contexts": [{"name": "x", "context": {"cluster": "c"}}],
            "current-context": "x",
        }  # fmt: skip
        webhook = {
            "timeout": "3s",
            "subjectAccessReviewVersion": "v1",
            "matchConditionSubjectAccessReviewVersion": "v1",
            "failurePolicy": "NoOpinion",
            "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": str(site.file("hook", hook))},
            "matchConditions": [{"expression": "request.user != 'nobody'"}],
        }
        authorization = {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthorizationConfiguration",
            "authorizers": [
                {"type": "Node", "name": "node"},
                {"type": "RBAC", "name": "rbac"},
                {"type": "Webhook", "name": "hook", "webhook": webhook},
            ],
        }
        authentication = {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": [
                {
                    "issuer": {"url": url, "audiences": ["kctl"], "certificateAuthority": site.authority.pem.decode()},
                    "claimMappings": {
                        "username": {"claim": "sub", "prefix": "oidc:"},
                        "groups": {"expression": "claims.groups"},
                    },
                }
            ],
            "anonymous": {"enabled": True, "conditions": [{"path": "/livez"}]},
        }  # fmt: skip
        policy = {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "rules": [
                {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
                {"level": "RequestResponse", "omitManagedFields": True, "resources": [{"group": "", "resources": ["configmaps"]}]},
            ],
        }  # fmt: skip
        flags = site.flags(
            "--store=memory",
            f"--authentication-config={site.file('authn', authentication)}",
            f"--authorization-config={site.file('authz', authorization)}",
            f"--authentication-token-webhook-config-file={site.folder / 'hook'}",
            f"--audit-policy-file={site.file('policy', policy)}",
            f"--audit-log-path={site.folder / 'audit.log'}",
        )

        async def body() -> None:
            claims = {"sub": "jane", "aud": "kctl", "exp": time.time() + 600, "groups": ["system:masters"]}
            jane = site.client(token=issuer.token(claims))
            await until(
                lambda: is_known(jane)
            )  # the issuer's keys are fetched while the server serves already
            assert await who(jane) == "oidc:jane"
            assert len(await jane.list(NAMESPACES)) > 0
            outsider = site.client(token="from-outside")
            assert await who(outsider) == "outsider"
            await outsider.list(PODS, "default")  # by the authorizing webhook
            with pytest.raises(Unauthorized):
                await who(site.client(token="unknown"))
            bob = site.client(pair=site.authority.issue("bob", "bob"))
            with pytest.raises(Forbidden, match='User "bob" cannot list resource "pods"'):
                await bob.list(PODS, "default")
            anybody = site.client()
            assert (await anybody.transport.request("GET", "/livez")).status == 200
            assert (await anybody.transport.request("GET", "/version")).status == 401
            may = await outsider.create(
                ACCESS, {"spec": {"nonResourceAttributes": {"path": "/x", "verb": "get"}}}
            )
            assert may["status"] == {"allowed": True, "reason": "by hook"}
            who_am_i = {"group": "authentication.k8s.io", "resource": "selfsubjectreviews", "verb": "create"}
            mine = await bob.create(ACCESS, {"spec": {"resourceAttributes": who_am_i}})
            may_reason.append(mine["status"]["reason"])
            rules = (await outsider.create(RULES, {"spec": {"namespace": "default"}}))["status"]
            assert rules["incomplete"] is True
            assert rules["evaluationError"] == "webhook authorizer does not support user rule resolution"
            made = {"metadata": {"name": "told", "namespace": "default"}}
            await jane.create(CONFIGMAPS, {**made, "data": {"k": "v"}})
            await jane.create(SECRETS, {**made, "stringData": {"k": "hunter2"}})

        serving(site, flags, body)
    lines = (site.folder / "audit.log").read_text()
    events = [json.loads(line) for line in lines.splitlines()]
    about = [
        each
        for each in events
        if each.get("objectRef", {}).get("name", "") == "" and each["user"]["username"] == "oidc:jane"
    ]
    assert [(each["stage"], each["objectRef"]["resource"]) for each in about] == [
        ("RequestReceived", "configmaps"), ("ResponseComplete", "configmaps"),
        ("RequestReceived", "secrets"), ("ResponseComplete", "secrets"),
    ]  # fmt: skip
    assert about[1]["requestObject"]["data"] == {"k": "v"} == about[1]["responseObject"]["data"]
    assert "managedFields" not in about[1]["responseObject"]["metadata"]
    assert about[1]["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert "hunter2" not in lines
    by_role = 'RBAC: allowed by ClusterRoleBinding "system:basic-user" of ClusterRole "system:basic-user" to Group "system:authenticated"'
    assert by_role == may_reason[0]
    assert {each["kind"] for each in asked} == {"TokenReview", "SubjectAccessReview"}


def test_certificates_are_taken_up_without_a_restart(site: Site) -> None:
    async def body() -> None:
        admin = site.admin()
        assert await who(admin) == "root"
        newer = Authority(site.folder, "newer-ca")
        pair = newer.issue("serving", "apiserver")  # in the place of the old files
        assert pair == site.serving

        async def serves_newer() -> bool:
            try:
                await site.client(ca=newer).transport.request("GET", "/livez")
            except TransportError:
                return False
            return True

        await until(serves_newer)
        site.authority.file.write_bytes(newer.pem)  # and clients must be signed by the newer CA from now on
        renewed = newer.issue("renewed", "root", ("system:masters",))

        async def believes_newer() -> bool:
            try:
                return await who(site.client(pair=renewed, ca=newer)) == "root"
            except (TransportError, ApiError):
                return False

        await until(believes_newer)
        old = site.authority.issue("old", "root", ("system:masters",))
        with pytest.raises((TransportError, ApiError)):
            await who(site.client(pair=old, ca=newer))
        assert await who(admin) == "root"  # a connection keeps what it began with

    serving(site, site.flags("--store=memory"), body)


def encryption(*keys: tuple[str, str, str]) -> Obj:
    providers: list[Obj] = [{kind: {"keys": [{"name": name, "secret": key}]}} for kind, name, key in keys]
    entry = {"resources": ["secrets", "configmaps"], "providers": [*providers, {"identity": {}}]}
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [entry],
    }


def on_disk(site: Site) -> bytes:
    found = b""
    for path in site.folder.glob("store.db*"):
        found += path.read_bytes()
    return found


def test_keys_at_rest_are_rotated_while_the_server_runs(site: Site) -> None:
    made = {"metadata": {"name": "s", "namespace": "default"}, "stringData": {"k": "hunter2-plain"}}

    async def first() -> None:
        await site.admin().create(SECRETS, made)

    serving(site, site.flags(), first)  # with the plain key file
    config = site.file("encryption", encryption(("aesgcm", "k1", KEY_1)))
    flags = site.flags(
        f"--encryption-provider-config={config}", "--encryption-provider-config-automatic-reload"
    )

    async def rotate() -> None:
        admin = site.admin()
        secret = await admin.get(SECRETS, "s", "default")  # sealed by the plain key file, still readable
        again = await admin.update(SECRETS, secret)
        assert again["metadata"]["resourceVersion"] != secret["metadata"]["resourceVersion"]
        same = await admin.update(SECRETS, again)
        assert same["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]
        site.file("encryption", encryption(("secretbox", "k2", KEY_2), ("aesgcm", "k1", KEY_1)))

        async def rewritten() -> bool:
            """What docs/security.md tells to do: write everything once more, as it is."""
            before = await admin.get(SECRETS, "s", "default")
            after = await admin.update(SECRETS, before)
            return bool(after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"])

        await until(rewritten)

    serving(site, flags, rotate)
    assert stored_now(site, "/registry/secrets/default/s").startswith(b"k8s:enc:secretbox:v1:k2:")
    assert b"hunter2" not in on_disk(site)
    site.file("encryption", encryption(("secretbox", "k2", KEY_2)))
    (site.folder / "encryption.key").unlink()

    async def last() -> None:
        secret = await site.admin().get(SECRETS, "s", "default")
        assert secret["data"] == {"k": "aHVudGVyMi1wbGFpbg=="}

    serving(site, flags, last)  # the old keys are not needed any more


def test_files_that_cannot_be_used_are_named(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = site.file("wrong", "kind: Policy\nrules: [{levle: None}]\n")
    for flags, message in (
        (
            [f"--audit-policy-file={wrong}", f"--audit-log-path={site.folder / 'a'}"],
            'unknown field "rules[0].levle"',
        ),
        ([f"--encryption-provider-config={wrong}"], 'unknown field "rules"'),
        ([f"--authentication-config={site.folder / 'none'}"], "cannot be read"),
        (["--authorization-mode=ABAC"], 'Unsupported value: "ABAC"'),
        (["--oidc-issuer-url=http://x", "--oidc-client-id=y"], "URL scheme must be https"),
        (["--audit-policy-file=x"], "needs --audit-log-path"),
    ):
        assert program.main(site.flags("--store=memory", *flags)) == 1
        assert message in capsys.readouterr().err


def test_ssl_context_of_the_test_is_strict(site: Site) -> None:
    """A client that does not know the CA does not get in: what the tests above rely on."""

    async def body() -> None:
        transport = HttpTransport(site.url, ssl_context=ssl.create_default_context())
        with pytest.raises(TransportError):
            await transport.request("GET", "/livez")
        await transport.close()

    serving(site, site.flags("--store=memory"), body)
