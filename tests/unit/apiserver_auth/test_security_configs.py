"""What the files of --authentication-config and --authorization-config may say, and what refuses them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from apiserver.auth import authentication_config, authorization_config
from apiserver.auth.authentication_config import Mapped, check_config, config_of_flags, parse_config
from apiserver.auth.authorization_config import check_config as check_authorization
from apiserver.auth.authorization_config import modes_of_flags
from apiserver.auth.authorization_config import parse_config as parse_authorization
from apiserver.auth.claims import ClaimsMapper
from apiserver.config_file import ConfigFileError, check_shape, read_config
from machinery.errors import Invalid

Obj = dict[str, Any]
AUTHENTICATION: Obj = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AuthenticationConfiguration",
    "jwt": [
        {
            "issuer": {"url": "https://issuer", "audiences": ["kctl"]},
            "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
        }
    ],
}
AUTHORIZATION: Obj = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AuthorizationConfiguration",
    "authorizers": [
        {
            "type": "Webhook",
            "name": "outside",
            "webhook": {
                "timeout": "3s",
                "subjectAccessReviewVersion": "v1",
                "matchConditionSubjectAccessReviewVersion": "v1",
                "failurePolicy": "Deny",
                "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": "/etc/hook"},
                "matchConditions": [{"expression": "request.user != 'a'"}],
            },
        },
        {"type": "Node", "name": "node"},
        {"type": "RBAC", "name": "rbac"},
    ],
}
_ISSUER, _USERNAME = "jwt.0.issuer", "jwt.0.claimMappings.username"


def changed(base: Obj, path: str, value: Any) -> Obj:
    made = copy.deepcopy(base)
    *way, last = path.split(".")
    at: Any = made
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    at[last] = value
    return made


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        (f"{_ISSUER}.url", "http://issuer", "jwt[0].issuer.url", "URL scheme must be https"),
        (f"{_ISSUER}.url", "https://own", "jwt[0].issuer.url", "must not overlap with disallowed issuers: [https://own]"),
        (f"{_ISSUER}.url", "https://a:b@issuer", "jwt[0].issuer.url", "must not contain a username"),
        (f"{_ISSUER}.discoveryURL", "https://issuer/", "jwt[0].issuer.discoveryURL", "must be different from URL"),
        (f"{_ISSUER}.audiences", [], "jwt[0].issuer.audiences", "Required value"),
        (f"{_ISSUER}.audiences", ["a", "b"], "jwt[0].issuer.audienceMatchPolicy", "MatchAny for multiple audiences"),
        (f"{_USERNAME}", {}, "jwt[0].claimMappings.username", "claim or expression is required"),
        (f"{_USERNAME}", {"claim": "sub"}, "jwt[0].claimMappings.username.prefix", "prefix is required when claim is set"),
        (f"{_USERNAME}", {"claim": "a", "expression": "b"}, "jwt[0].claimMappings.username", "can't both be set"),
        (f"{_USERNAME}", {"expression": "claims.email"}, "jwt[0].claimMappings.username.expression", "email_verified must be used"),
        ("jwt.0.claimMappings.extra", [{"key": "k8s.io/a", "valueExpression": "'x'"}], "jwt[0].claimMappings.extra[0].key", "reserved"),
        ("jwt.0.claimMappings.extra", [{"key": "plain", "valueExpression": "'x'"}], "jwt[0].claimMappings.extra[0].key", "domain-prefixed"),
        ("jwt.0.claimValidationRules", [{}], "jwt[0].claimValidationRules[0]", "claim or expression is required"),
        ("jwt.0.claimValidationRules", [{"claim": "a"}, {"claim": "a"}], "jwt[0].claimValidationRules[1].claim", "Duplicate"),
        ("jwt.0.userValidationRules", [{}], "jwt[0].userValidationRules[0].expression", "Required value"),
        ("anonymous", {"conditions": [{"path": "/x"}]}, "anonymous.conditions", "enabled should be set to true"),
        ("kind", "Other", "apiVersion", "Unsupported value"),
    ],
)  # fmt: skip
def test_wrong_authentication_is_named(path: str, value: Any, field: str, message: str) -> None:
    assert check_config(AUTHENTICATION) == []
    causes = check_config(changed(AUTHENTICATION, path, value), ["https://own"])
    assert [cause.field for cause in causes] == [field] and message in causes[0].message


def test_email_may_name_users_where_it_is_verified() -> None:
    config = changed(AUTHENTICATION, _USERNAME, {"expression": "claims.email"})
    rule = [{"expression": "claims.email_verified == true"}]
    assert check_config(changed(config, "jwt.0.claimValidationRules", rule)) == []


def test_expression_of_the_wrong_type_is_refused() -> None:
    config = changed(AUTHENTICATION, _USERNAME, {"expression": "1 + 1"})
    config = changed(config, "jwt.0.userValidationRules", [{"expression": "user."}])
    with pytest.raises(Invalid) as refused:
        ClaimsMapper(parse_config(config).issuers[0])
    assert [(cause.field, "must evaluate to string" in cause.message) for cause in refused.value.causes] == [
        ("jwt[0].claimMappings.username.expression", True),
        ("jwt[0].userValidationRules[0].expression", False),
    ]


def test_flags_say_the_same_as_a_file() -> None:
    issuer = config_of_flags("https://issuer", "kctl")
    assert issuer.username == Mapped("sub", "https://issuer#")
    assert config_of_flags("https://i", "c", username_prefix="-").username == Mapped("sub", "")
    assert config_of_flags("https://i", "c", username_claim="email").username == Mapped("email", "")
    with pytest.raises(Invalid, match="https"):
        config_of_flags("http://issuer", "kctl")
    with pytest.raises(Invalid, match="oidc-client-id"):
        config_of_flags("https://issuer", "")


_HOOK = "authorizers.0.webhook"


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        ("authorizers", [], "authorizers", "at least one authorization mode must be defined"),
        ("authorizers.1.type", "ABAC", "authorizers[1].type", "Unsupported value"),
        ("authorizers.2.type", "Node", "authorizers[2].type", "Duplicate"),
        ("authorizers.2.name", "node", "authorizers[2].name", "Duplicate"),
        ("authorizers.2.webhook", {}, "authorizers[2].webhook", "may only be specified when type=Webhook"),
        (f"{_HOOK}.timeout", "31s", "authorizers[0].webhook.timeout", "must be <= 30s"),
        (f"{_HOOK}.timeout", "", "authorizers[0].webhook.timeout", "Required"),
        (f"{_HOOK}.failurePolicy", "Maybe", "authorizers[0].webhook.failurePolicy", "Unsupported"),
        (f"{_HOOK}.subjectAccessReviewVersion", "v2", "authorizers[0].webhook.subjectAccessReviewVersion", "Unsupported"),
        (f"{_HOOK}.connectionInfo.kubeConfigFile", "x", "authorizers[0].webhook.connectionInfo.kubeConfigFile", "absolute path"),
        (f"{_HOOK}.matchConditions", [{"expression": "request."}], "authorizers[0].webhook.matchConditions[0].expression", "compilation"),
        (f"{_HOOK}.matchConditions", [{"expression": "'x'"}], "authorizers[0].webhook.matchConditions[0].expression", "must evaluate to bool"),
    ],
)  # fmt: skip
def test_wrong_authorization_is_named(path: str, value: Any, field: str, message: str) -> None:
    assert check_authorization(AUTHORIZATION) == []
    causes = check_authorization(changed(AUTHORIZATION, path, value))
    assert [cause.field for cause in causes] == [field] and message in causes[0].message


def test_authorizers_come_in_their_order() -> None:
    hook, node, rbac = parse_authorization(AUTHORIZATION)
    assert (node.type, rbac.type, hook.kubeconfig, hook.timeout_s) == ("Node", "RBAC", "/etc/hook", 3.0)
    assert hook.rules is not None and hook.rules.denies_on_failure and hook.rules.allowed_s == 300
    off = changed(AUTHORIZATION, f"{_HOOK}.cacheAuthorizedRequests", False)
    rules = parse_authorization(off)[0].rules
    assert rules is not None and rules.allowed_s == 0
    assert [mode.type for mode in modes_of_flags(["RBAC", "Node"])] == ["RBAC", "Node"]
    with pytest.raises(Invalid, match="belong together"):
        modes_of_flags(["Webhook"])
    with pytest.raises(Invalid, match="ABAC"):
        modes_of_flags(["ABAC"])


def test_misspelt_word_is_not_ignored(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "kind: AuthenticationConfiguration\njwt:\n- claimValidationRule: []\n  issuer: {url: 7}\n"
    )
    with pytest.raises(ConfigFileError, match=r'config.yaml.*unknown field "jwt\[0\].claimValidationRule"'):
        read_config(file, authentication_config.SHAPE, parse_config)
    assert check_shape(AUTHENTICATION, authentication_config.SHAPE) == []
    assert check_shape(AUTHORIZATION, authorization_config.SHAPE) == []
    with pytest.raises(ConfigFileError, match="cannot be read"):
        read_config(tmp_path / "none", authentication_config.SHAPE, parse_config)
