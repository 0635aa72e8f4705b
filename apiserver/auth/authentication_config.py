"""AuthenticationConfiguration: whose JWTs are believed and what user they make, and where nobody needs to say who they are.

In comes the file of --authentication-config, or the --oidc-* flags, which say a part of the same; out goes a frozen
`AuthenticationConfig`, or an Invalid that names every wrong field at once. Expressions are only parsed here when
`compile_with` is given; see `claims.py` for what they may use.

Source: Kubernetes "Authenticating", structured authentication configuration (apiserver.config.k8s.io/v1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from machinery import field_errors
from machinery.errors import Cause, invalid

Obj = Mapping[str, Any]
KIND = "AuthenticationConfiguration"
API_VERSIONS = tuple(f"apiserver.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
MOST_ISSUERS = 64
_MAPPED = {"claim": str, "prefix": str, "expression": str}
SHAPE = {
    "apiVersion": str,
    "kind": str,
    "jwt": [
        {
            "issuer": {
                "url": str,
                "discoveryURL": str,
                "certificateAuthority": str,
                "audiences": [str],
                "audienceMatchPolicy": str,
                "egressSelectorType": str,
            },
            "claimValidationRules": [{"claim": str, "requiredValue": str, "expression": str, "message": str}],
            "claimMappings": {
                "username": _MAPPED,
                "groups": _MAPPED,
                "uid": {"claim": str, "expression": str},
                "extra": [{"key": str, "valueExpression": str}],
            },
            "userValidationRules": [{"expression": str, "message": str}],
        }
    ],
    "anonymous": {"enabled": bool, "conditions": [{"path": str}]},
}
_RESERVED = ("k8s.io", "kubernetes.io")
_EMAIL_RULE = (
    "claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression "
    "or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression"
)


@dataclass(frozen=True, slots=True)
class Mapped:
    """Where a value comes from: a claim with a prefix before it, or an expression; neither gives nothing."""

    claim: str = ""
    prefix: str = ""
    expression: str = ""


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """A claim that must have a value, or an expression that must be true."""

    claim: str = ""
    required_value: str = ""
    expression: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class JwtIssuer:
    """One `jwt` entry. `certificate_authority` is PEM, empty for the system's."""

    url: str
    audiences: tuple[str, ...]
    username: Mapped
    groups: Mapped = Mapped()
    uid: Mapped = Mapped()
    extra: tuple[tuple[str, str], ...] = ()  # (key, expression)
    claim_rules: tuple[ClaimRule, ...] = ()
    user_rules: tuple[tuple[str, str], ...] = ()  # (expression, message)
    discovery_url: str = ""
    certificate_authority: str = ""
    algorithms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Anonymous:
    """`paths` None: everywhere."""

    enabled: bool
    paths: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class AuthenticationConfig:
    """`anonymous` None: the file says nothing, so the flag or the default holds."""

    issuers: tuple[JwtIssuer, ...] = ()
    anonymous: Anonymous | None = None


def parse_config(obj: Obj, own_issuers: Sequence[str] = ()) -> AuthenticationConfig:
    """`own_issuers` are those of ServiceAccount tokens, which nobody else may claim. Raises Invalid."""
    causes = check_config(obj, own_issuers)
    if causes:
        raise invalid("apiserver.config.k8s.io", KIND, "", causes)
    anonymous = obj.get("anonymous")
    paths = [each["path"] for each in (anonymous or {}).get("conditions") or ()]
    return AuthenticationConfig(
        tuple(_issuer(each) for each in obj.get("jwt") or ()),
        Anonymous(bool(anonymous.get("enabled")), frozenset(paths) if paths else None)
        if anonymous is not None
        else None,
    )


def _issuer(entry: Obj) -> JwtIssuer:
    issuer, mappings = entry["issuer"], entry["claimMappings"]
    return JwtIssuer(
        url=issuer["url"],
        audiences=tuple(issuer["audiences"]),
        username=_mapped(mappings.get("username")),
        groups=_mapped(mappings.get("groups")),
        uid=_mapped(mappings.get("uid")),
        extra=tuple((each["key"], each["valueExpression"]) for each in mappings.get("extra") or ()),
        claim_rules=tuple(
            ClaimRule(
                rule.get("claim", ""),
                rule.get("requiredValue", ""),
                rule.get("expression", ""),
                rule.get("message", ""),
            )
            for rule in entry.get("claimValidationRules") or ()
        ),
        user_rules=tuple(
            (rule["expression"], rule.get("message", "")) for rule in entry.get("userValidationRules") or ()
        ),
        discovery_url=issuer.get("discoveryURL", ""),
        certificate_authority=issuer.get("certificateAuthority", ""),
    )


def _mapped(said: Obj | None) -> Mapped:
    said = said or {}
    return Mapped(said.get("claim", ""), said.get("prefix") or "", said.get("expression", ""))


def check_config(obj: Obj, own_issuers: Sequence[str] = ()) -> list[Cause]:
    if wrong := field_errors.wrong_kind(obj, (KIND,), API_VERSIONS):
        return wrong
    entries = obj.get("jwt") or ()
    if len(entries) > MOST_ISSUERS:
        return [field_errors.too_many("jwt", len(entries), MOST_ISSUERS)]
    causes: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    for index, entry in enumerate(entries):
        path = f"jwt[{index}]"
        issuer = entry.get("issuer") or {}
        causes += _check_issuer(issuer, f"{path}.issuer", own_issuers)
        for name in ("url", "discoveryURL"):
            if issuer.get(name) and (name, issuer[name]) in seen:
                causes.append(field_errors.duplicate(f"{path}.issuer.{name}", issuer[name]))
            seen.add((name, issuer.get(name, "")))
        causes += _check_claim_rules(entry.get("claimValidationRules") or (), f"{path}.claimValidationRules")
        causes += _check_mappings(entry, f"{path}.claimMappings")
        for number, rule in enumerate(entry.get("userValidationRules") or ()):
            if not rule.get("expression"):
                causes.append(field_errors.required(f"{path}.userValidationRules[{number}].expression"))
    anonymous = obj.get("anonymous") or {}
    if anonymous.get("conditions") and not anonymous.get("enabled"):
        detail = "enabled should be set to true when conditions are defined"
        causes.append(field_errors.invalid_value("anonymous.conditions", anonymous["conditions"], detail))
    return causes


def _check_issuer(issuer: Obj, path: str, own_issuers: Sequence[str]) -> list[Cause]:
    causes: list[Cause] = []
    url, discovery = issuer.get("url", ""), issuer.get("discoveryURL", "")
    if not url:
        causes.append(field_errors.required(f"{path}.url"))
    else:
        if url in own_issuers:
            detail = f"URL must not overlap with disallowed issuers: [{' '.join(sorted(own_issuers))}]"
            causes.append(field_errors.invalid_value(f"{path}.url", url, detail))
        causes += _check_url(url, f"{path}.url")
    if discovery:
        if url.rstrip("/") == discovery.rstrip("/"):
            detail = "discoveryURL must be different from URL"
            causes.append(field_errors.invalid_value(f"{path}.discoveryURL", discovery, detail))
        causes += _check_url(discovery, f"{path}.discoveryURL")
    audiences, policy = issuer.get("audiences") or [], issuer.get("audienceMatchPolicy", "")
    if not audiences:
        causes.append(
            field_errors.required(f"{path}.audiences", f"at least one {path}.audiences is required")
        )
    for index, audience in enumerate(audiences):
        if not audience:
            causes.append(field_errors.required(f"{path}.audiences[{index}]"))
        elif audience in audiences[:index]:
            causes.append(field_errors.duplicate(f"{path}.audiences[{index}]", audience))
    if policy not in ("", "MatchAny") or (len(audiences) > 1 and policy != "MatchAny"):
        several = "audienceMatchPolicy must be MatchAny for multiple audiences"
        single = "audienceMatchPolicy must be empty or MatchAny for single audience"
        detail = several if len(audiences) > 1 else single
        causes.append(field_errors.invalid_value(f"{path}.audienceMatchPolicy", policy, detail))
    if issuer.get("egressSelectorType"):
        detail = "egress selectors are not supported by this server"
        causes.append(field_errors.forbidden(f"{path}.egressSelectorType", detail))
    return causes


def _check_url(url: str, path: str) -> list[Cause]:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return [field_errors.invalid_value(path, url, str(error))]
    wrong = (
        (parts.scheme != "https", "URL scheme must be https"),
        (bool(parts.username or parts.password), "URL must not contain a username or password"),
        (bool(parts.query), "URL must not contain a query"),
        (bool(parts.fragment), "URL must not contain a fragment"),
    )
    return [field_errors.invalid_value(path, url, detail) for is_wrong, detail in wrong if is_wrong]


def _check_claim_rules(rules: Sequence[Obj], path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    for index, rule in enumerate(rules):
        at, claim, expression = f"{path}[{index}]", rule.get("claim", ""), rule.get("expression", "")
        if claim and expression:
            causes.append(field_errors.invalid_value(at, claim, "claim and expression can't both be set"))
            continue
        if not claim and not expression:
            causes.append(field_errors.required(at, "claim or expression is required"))
            continue
        unwanted, kind = ("message", "claim") if claim else ("requiredValue", "expression")
        if rule.get(unwanted):
            detail = f"may not be specified when {kind} is set"
            causes.append(field_errors.invalid_value(f"{at}.{unwanted}", rule[unwanted], detail))
        if (kind, claim or expression) in seen:
            causes.append(field_errors.duplicate(f"{at}.{kind}", claim or expression))
        seen.add((kind, claim or expression))
    return causes


def _check_mappings(entry: Obj, path: str) -> list[Cause]:
    mappings = entry.get("claimMappings") or {}
    causes = _check_mapped(mappings.get("username") or {}, f"{path}.username", wanted=True)
    causes += _check_mapped(mappings.get("groups") or {}, f"{path}.groups", wanted=False)
    uid = mappings.get("uid") or {}
    if uid.get("claim") and uid.get("expression"):
        causes.append(field_errors.invalid_value(f"{path}.uid", "", "claim and expression can't both be set"))
    seen: set[str] = set()
    for index, each in enumerate(mappings.get("extra") or ()):
        at, key = f"{path}.extra[{index}]", each.get("key", "")
        domain, slash, rest = key.partition("/")
        if not key:
            causes.append(field_errors.required(f"{at}.key"))
        elif not slash or not rest or not domain:
            detail = 'must be a domain-prefixed path (such as "acme.io/foo")'
            causes.append(field_errors.invalid_value(f"{at}.key", key, detail))
        if key != key.lower():
            causes.append(field_errors.invalid_value(f"{at}.key", key, "must be lowercase"))
        if any(domain == own or domain.endswith(f".{own}") for own in _RESERVED):
            detail = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use"
            causes.append(field_errors.invalid_value(f"{at}.key", key, detail))
        if key in seen:
            causes.append(field_errors.duplicate(f"{at}.key", key))
        seen.add(key)
        if not each.get("valueExpression"):
            causes.append(field_errors.required(f"{at}.valueExpression"))
    username = (mappings.get("username") or {}).get("expression", "")
    told = [username, *(each.get("valueExpression", "") for each in mappings.get("extra") or ())]
    told += [rule.get("expression", "") for rule in entry.get("claimValidationRules") or ()]
    if _uses(username, "email") and not any(_uses(text, "email_verified") for text in told):
        causes.append(field_errors.invalid_value(f"{path}.username.expression", username, _EMAIL_RULE))
    return causes


def _check_mapped(said: Obj, path: str, *, wanted: bool) -> list[Cause]:
    claim, expression, prefix = said.get("claim", ""), said.get("expression", ""), said.get("prefix")
    if claim and expression:
        return [field_errors.invalid_value(path, "", "claim and expression can't both be set")]
    if expression and prefix is not None:
        detail = "prefix is not allowed when expression is set"
        return [field_errors.invalid_value(f"{path}.prefix", prefix, detail)]
    if claim and prefix is None:
        detail = "prefix is required when claim is set. It can be set to an empty string to disable prefixing"
        return [field_errors.required(f"{path}.prefix", detail)]
    if wanted and not claim and not expression:
        return [field_errors.required(path, "claim or expression is required")]
    return []


def _uses(expression: str, claim: str) -> bool:
    """Whether an expression reads `claims.NAME`, as a member or by index."""
    import re

    name = re.escape(claim)
    return bool(
        re.search(rf"\bclaims\s*(?:\.\s*\??\s*{name}\b|\[\s*\??\s*['\"]{name}['\"]\s*\])", expression)
    )


def config_of_flags(
    url: str,
    client_id: str,
    *,
    username_claim: str = "sub",
    username_prefix: str = "",
    groups_claim: str = "",
    groups_prefix: str = "",
    required_claims: Mapping[str, str] | None = None,
    certificate_authority: str = "",
    algorithms: Sequence[str] = ("RS256",),
) -> JwtIssuer:
    """What the --oidc-* flags say. Without a prefix, names other than e-mail addresses get the issuer's before them;
    "-" gives none. Raises Invalid."""
    if not username_prefix and username_claim != "email":
        username_prefix = f"{url}#"
    causes = _check_url(url, "oidc-issuer-url")
    if not client_id:
        causes.append(field_errors.required("oidc-client-id", "must be set with oidc-issuer-url"))
    if causes:
        raise invalid("apiserver.config.k8s.io", KIND, "", causes)
    return JwtIssuer(
        url=url,
        audiences=(client_id,),
        username=Mapped(username_claim, "" if username_prefix == "-" else username_prefix),
        groups=Mapped(groups_claim, groups_prefix) if groups_claim else Mapped(),
        claim_rules=tuple(ClaimRule(name, value) for name, value in (required_claims or {}).items()),
        certificate_authority=certificate_authority,
        algorithms=tuple(algorithms),
    )
