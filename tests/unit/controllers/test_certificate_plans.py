"""Which requests for certificates are granted, for how long, and when they go; which tokens sign cluster-info."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import pytest

from controllers.bootstrapsigner import detached_signature, plan_data, signing_tokens
from controllers.certificate_request import (
    API_CLIENT,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    LEGACY_UNKNOWN,
    Wanted,
    refusal,
)
from controllers.clusterroleaggregation import plan_rules
from controllers.csrapproving import plan_permissions
from controllers.csrcleaner import plan_end
from controllers.csrsigning import plan_life
from controllers.serviceaccounttoken import Plan, plan
from machinery.clock import rfc3339

Obj = dict[str, Any]
NODE = Wanted("system:node:n1", ("system:nodes",))
SERVER = Wanted("system:node:n1", ("system:nodes",), ("n1",), ("10.0.0.1",))
CLIENT_USES = ["digital signature", "client auth"]
SERVER_USES = ["digital signature", "key encipherment", "server auth"]
NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("signer", "wanted", "usages", "why"),
    [
        (API_CLIENT, Wanted("jane", ()), CLIENT_USES, ""),
        (API_CLIENT, Wanted("jane", ()), ["digital signature"], "missing required usage for client certificate: client auth"),
        (API_CLIENT, Wanted("jane", ()), ["client auth", "server auth"], "invalid usage for client certificate: server auth"),
        (KUBELET_CLIENT, NODE, CLIENT_USES, ""),
        (KUBELET_CLIENT, NODE, [*CLIENT_USES, "key encipherment"], ""),
        (KUBELET_CLIENT, NODE, SERVER_USES, "usages did not match [client auth digital signature key encipherment]"),
        (KUBELET_CLIENT, Wanted("system:node:n1", ("system:nodes", "system:masters")), CLIENT_USES, "subject organization is not system:nodes"),
        (KUBELET_CLIENT, Wanted("jane", ("system:nodes",)), CLIENT_USES, "subject common name does not begin with system:node:"),
        (KUBELET_CLIENT, SERVER, CLIENT_USES, "DNS subjectAltNames are not allowed"),
        (KUBELET_SERVING, SERVER, SERVER_USES, ""),
        (KUBELET_SERVING, NODE, SERVER_USES, "DNS or IP subjectAltName is required"),
        (KUBELET_SERVING, Wanted("system:node:n1", ("system:nodes",), ("n1",), (), ("a@b",)), SERVER_USES, "Email subjectAltNames are not allowed"),
        (LEGACY_UNKNOWN, Wanted("x", ()), ["any"], ""),
    ],
)  # fmt: skip
def test_signer_refuses_what_its_rules_forbid(
    signer: str, wanted: Wanted, usages: Sequence[str], why: str
) -> None:
    assert refusal(signer, wanted, usages) == why


def test_approver_recognises_nodes_and_nobody_else() -> None:
    node = {"metadata": {"name": "n1"}, "status": {"addresses": [{"address": "10.0.0.1"}]}}
    own = {
        "username": "system:node:n1",
        "groups": ["system:nodes"],
        "signerName": KUBELET_CLIENT,
        "usages": CLIENT_USES,
    }
    assert plan_permissions(own, NODE, None) == ("selfnodeclient", "nodeclient")
    assert plan_permissions({**own, "username": "system:bootstrap:abc"}, NODE, None) == ("nodeclient",)
    assert plan_permissions({**own, "signerName": API_CLIENT}, NODE, None) == ()
    assert plan_permissions({**own, "usages": SERVER_USES}, NODE, None) == ()
    serving = {**own, "signerName": KUBELET_SERVING, "usages": SERVER_USES}
    assert plan_permissions(serving, SERVER, node) == ("selfnodeserver",)
    foreign = Wanted("system:node:n1", ("system:nodes",), ("n1",), ("10.0.0.9",))
    assert plan_permissions(serving, foreign, node) == ()
    assert plan_permissions(serving, SERVER, None) == ()
    assert plan_permissions({**serving, "username": "system:node:n2"}, SERVER, node) == ()


@pytest.mark.parametrize(
    ("asked_s", "longest_s", "lasts_s"),
    [(None, 86400 * 365, 86400 * 365 - 300), (600, 1e9, 600), (60, 1e9, 600), (10**9, 86400, 86400 - 300), (3600, 1e9, 3600)],
)  # fmt: skip
def test_life_is_as_asked_within_bounds(asked_s: int | None, longest_s: float, lasts_s: float) -> None:
    assert plan_life(NOW, asked_s, longest_s) == (NOW - 300, NOW + lasts_s)


@pytest.mark.parametrize(
    ("kinds", "certificate", "expires", "after_s"),
    [
        ([], False, None, 86400),
        (["Approved"], False, None, None),
        (["Approved"], True, None, 3600),
        (["Approved"], True, NOW + 60, 60),
        (["Denied"], False, None, 3600),
        (["Approved", "Failed"], False, None, 3600),
    ],
)
def test_request_goes_when_nobody_needs_it(
    kinds: list[str], certificate: bool, expires: float | None, after_s: float | None
) -> None:
    at = rfc3339(NOW)
    status: Obj = {"conditions": [{"type": kind, "lastUpdateTime": at} for kind in kinds]}
    if certificate:
        status["certificate"] = "eA=="
    csr = {"metadata": {"creationTimestamp": at}, "status": status}
    assert plan_end(csr, expires) == (None if after_s is None else NOW + after_s)


def token_secret(token_id: str, **more: str) -> Obj:
    data = {"token-id": token_id, "token-secret": "s" * 16, "usage-bootstrap-signing": "true", **more}
    return {
        "metadata": {"name": f"bootstrap-token-{token_id}"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {
            key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in data.items()
        },
    }


def test_cluster_info_is_signed_by_every_living_token() -> None:
    secrets = [
        token_secret("aaaaaa"),
        token_secret("bbbbbb", expiration=rfc3339(NOW)),
        {**token_secret("cccccc"), "type": "Opaque"},
        token_secret("dddddd", **{"usage-bootstrap-signing": "false"}),
        {**token_secret("eeeeee"), "metadata": {"name": "bootstrap-token-ffffff"}},
    ]
    tokens = signing_tokens(secrets, NOW)
    assert tokens == {"aaaaaa": "s" * 16}
    data = plan_data({"kubeconfig": "old", "jws-kubeconfig-bbbbbb": "x", "other": "y"}, "new", tokens)
    assert data == {
        "kubeconfig": "new",
        "other": "y",
        "jws-kubeconfig-aaaaaa": detached_signature("new", "aaaaaa", "s" * 16),
    }
    header, payload, signature = data["jws-kubeconfig-aaaaaa"].split(".")
    assert payload == "" and json.loads(base64.urlsafe_b64decode(header + "==")) == {
        "alg": "HS256",
        "kid": "aaaaaa",
    }
    signed = f"{header}.{base64.urlsafe_b64encode(b'new').rstrip(b'=').decode()}".encode()
    expected = hmac.new(b"s" * 16, signed, hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "==") == expected


def test_token_secret_is_filled_once_and_goes_with_its_account() -> None:
    account = {"metadata": {"name": "builder", "namespace": "a", "uid": "u1"}}
    secret: Obj = {"metadata": {"name": "t", "namespace": "a", "annotations": {}}}
    signed: list[Any] = []

    def sign(claims: Any) -> str:
        signed.append(claims)
        return "jwt"

    planned = plan(secret, account, "PEM", sign)
    assert planned.data is not None
    assert {key: base64.b64decode(value).decode() for key, value in planned.data.items()} == {
        "namespace": "a", "ca.crt": "PEM", "token": "jwt",
    }  # fmt: skip
    assert signed[0]["sub"] == "system:serviceaccount:a:builder"
    secret["data"] = planned.data
    secret["metadata"]["annotations"] = {"kubernetes.io/service-account.uid": "u1"}
    assert plan(secret, account, "PEM", sign) == Plan() and len(signed) == 1
    assert plan(secret, None, "PEM", sign).remove
    assert plan(secret, {"metadata": {"name": "builder", "uid": "u2"}}, "PEM", sign).remove


def test_aggregated_role_shows_what_it_takes_in() -> None:
    def role(name: str, verb: str, **labels: str) -> Obj:
        rules = [{"verbs": [verb], "apiGroups": [""], "resources": ["pods"]}]
        return {"metadata": {"name": name, "labels": labels}, "rules": rules}

    one, two, other = role("b", "get", to="x"), role("a", "list", to="x"), role("c", "delete", to="y")
    selectors = [{"matchLabels": {"to": "x"}}, {"matchExpressions": [{"key": "to", "operator": "Exists"}]}]
    whole = {**role("whole", "old", to="x"), "aggregationRule": {"clusterRoleSelectors": selectors}}
    planned = plan_rules(whole, [one, two, other, whole])
    assert planned is not None
    assert [rule["verbs"][0] for rule in planned] == ["list", "get", "delete"]
    assert plan_rules(one, [one, whole]) is None
