"""The flags of authentication, authorization and ServiceAccount tokens; names are upstream's."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("authentication and authorization").add_argument
    add("--token-auth-file", type=Path, help="bearer tokens: token,user,uid,groups on each line")
    add(
        "--enable-bootstrap-token-auth",
        action="store_true",
        help="believe bootstrap-token-* Secrets of kube-system",
    )
    add("--anonymous-auth", choices=("true", "false"), help="true: who shows nothing is system:anonymous everywhere; "
        "false: nowhere (without the flag: for health and version)")  # fmt: skip
    add(
        "--authentication-config",
        type=Path,
        help="AuthenticationConfiguration: issuers of JWTs, anonymous paths",
    )
    add("--oidc-issuer-url", default="", help="the issuer whose ID tokens are believed; https only")
    add("--oidc-client-id", default="", help="the audience they must be for")
    add("--oidc-username-claim", default="sub", help="the claim that is the user's name")
    add(
        "--oidc-username-prefix",
        default="",
        help="put before it; '-' is nothing (the issuer's URL and # without it)",
    )
    add("--oidc-groups-claim", default="", help="the claim that lists the user's groups")
    add("--oidc-groups-prefix", default="", help="put before each")
    add(
        "--oidc-required-claim",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="must be so (repeatable)",
    )
    add("--oidc-ca-file", type=Path, help="CA of the issuer's certificate")
    add("--oidc-signing-algs", default="RS256", help="algorithms that tokens may be signed by")
    add(
        "--requestheader-username-headers",
        default="",
        help="headers that a proxy with a certificate of --requestheader-client-ca-file names the caller in, by commas "
        "(X-Remote-User); without them no proxy is believed",
    )
    add("--requestheader-uid-headers", default="", help="the caller's uid (X-Remote-Uid)")
    add("--requestheader-group-headers", default="", help="the caller's groups (X-Remote-Group)")
    add("--requestheader-extra-headers-prefix", default="", help="what else is known (X-Remote-Extra-)")
    add(
        "--requestheader-allowed-names", default="", help="common names of the proxies; any where it is empty"
    )
    add("--authentication-token-webhook-config-file", default="", help="kubeconfig of who knows other tokens")
    add(
        "--authentication-token-webhook-version",
        default="v1",
        choices=("v1",),
        help="of the TokenReview sent",
    )
    add("--authentication-token-webhook-cache-ttl", default="2m0s", help="how long its answers are believed")
    add(
        "--authorization-mode",
        default="",
        help="Node, RBAC, Webhook, AlwaysAllow, AlwaysDeny; in this order, by commas",
    )
    add(
        "--authorization-config",
        type=Path,
        help="AuthorizationConfiguration: the authorizers and their order",
    )
    add("--authorization-webhook-config-file", default="", help="kubeconfig of the authorizing webhook")
    add(
        "--authorization-webhook-version",
        default="v1",
        choices=("v1",),
        help="of the SubjectAccessReview sent",
    )
    add("--authorization-webhook-cache-authorized-ttl", default="5m0s", help="how long a yes is believed")
    add("--authorization-webhook-cache-unauthorized-ttl", default="30s", help="how long a no is believed")
    add = parser.add_argument_group("service account tokens").add_argument
    add("--service-account-signing-key-file", type=Path, help="private key that signs ServiceAccount tokens")
    add("--service-account-key-file", type=Path, action="append", default=[],
        help="further keys, private or public, that tokens may be signed by (repeatable); the first signs "
        "where no signing key is named")  # fmt: skip
    add("--service-account-issuer", action="append", default=[],
        help="issuer of tokens; given again, also believed (https://kubernetes.default.svc.cluster.local)")  # fmt: skip
    add("--service-account-jwks-uri", default="", help="where the issuer's discovery says its keys are")
    add("--service-account-max-token-expiration", default="8760h", help="the longest life of a token")
    add("--service-account-extend-token-expiration", choices=("true", "false"), default="true",
        help="let pods' tokens live a year for programs that read them only once")  # fmt: skip
    add("--api-audiences", default="", help="whom tokens for this server are for (the issuer)")
