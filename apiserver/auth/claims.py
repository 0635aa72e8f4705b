"""From a JWT's verified claims to a user, by one issuer's rules: pure, and the same for the flags as for the file.

    claims → claim rules → username, groups, uid, extra → user rules → User

Expressions see `claims`, those that judge the user see `user`. Whatever does not hold is an Unauthorized that says why
in the server's log; a caller only ever reads "Unauthorized".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.auth.authentication_config import JwtIssuer, Mapped
from apiserver.auth.user import User
from apiserver.auth.x509 import AUTHENTICATED
from machinery import field_errors
from machinery.cel import CelError, Environment, Program
from machinery.errors import Cause, Unauthorized, invalid

Claims = Mapping[str, Any]


class ClaimsMapper:
    """Compiles every expression at once: Invalid names those that cannot be."""

    def __init__(self, issuer: JwtIssuer, path: str = "jwt[0]") -> None:
        self._issuer = issuer
        claims, users = Environment(("claims",)), Environment(("user",))
        causes: list[Cause] = []

        def compiled(environment: Environment, text: str, at: str, wants: tuple[str, ...]) -> Program | None:
            if not text:
                return None
            try:
                program = environment.compile(text)
            except CelError as error:
                causes.append(
                    field_errors.invalid_value(f"{path}.{at}", text, f"compilation failed: {error}")
                )
                return None
            if program.result.partition("<")[0] not in (*wants, "DYN"):
                detail = f"must evaluate to {' or '.join(name.lower() for name in wants)}"
                causes.append(field_errors.invalid_value(f"{path}.{at}", text, detail))
            return program

        mappings = "claimMappings"
        self._username = compiled(
            claims, issuer.username.expression, f"{mappings}.username.expression", ("STRING",)
        )
        self._groups = compiled(
            claims,
            issuer.groups.expression,
            f"{mappings}.groups.expression",
            ("STRING", "LIST"),
        )
        self._uid = compiled(claims, issuer.uid.expression, f"{mappings}.uid.expression", ("STRING",))
        self._extra = [
            (
                key,
                compiled(
                    claims,
                    text,
                    f"{mappings}.extra[{n}].valueExpression",
                    ("STRING", "LIST"),
                ),
            )
            for n, (key, text) in enumerate(issuer.extra)
        ]
        self._claim_rules = [
            (rule, compiled(claims, rule.expression, f"claimValidationRules[{n}].expression", ("BOOL",)))
            for n, rule in enumerate(issuer.claim_rules)
        ]
        self._user_rules = [
            (text, message, compiled(users, text, f"userValidationRules[{n}].expression", ("BOOL",)))
            for n, (text, message) in enumerate(issuer.user_rules)
        ]
        if causes:
            raise invalid("apiserver.config.k8s.io", "AuthenticationConfiguration", "", causes)

    def user_of(self, claims: Claims) -> User:
        """Raises Unauthorized."""
        values = {"claims": dict(claims)}
        for rule, program in self._claim_rules:
            if program is None:
                _require_claim(claims, rule.claim, rule.required_value)
            elif _evaluated(program, values) is not True:
                raise _refused(rule.message or f"validation expression '{rule.expression}' failed")
        name = self._name(claims, values)
        if not name:
            raise _refused("the username is empty")
        groups = _texts(self._groups, self._issuer.groups, claims, values, "groups")
        uid = _uid(self._uid, self._issuer.uid, claims, values)
        extra = {}
        for key, program in self._extra:
            assert program is not None
            found = _as_texts(_evaluated(program, values), f"extra {key}")
            if found:
                extra[key] = found
        if claims.get("jti"):
            extra.setdefault("authentication.kubernetes.io/credential-id", [f"JTI={claims['jti']}"])
        self._judge(name, groups, uid, extra)
        return User(name, (*groups, AUTHENTICATED), uid, extra)

    def _name(self, claims: Claims, values: dict[str, Any]) -> str:
        if self._username is not None:
            found = _evaluated(self._username, values)
            if not isinstance(found, str):
                raise _refused("claimMappings.username.expression did not give a string")
            return found
        wanted = self._issuer.username
        value = claims.get(wanted.claim)
        if not isinstance(value, str):
            raise _refused(f"claim {wanted.claim!r} is missing or not a string")
        if wanted.claim == "email" and claims.get("email_verified", True) is not True:
            raise _refused("email not verified")
        return wanted.prefix + value if value else ""

    def _judge(self, name: str, groups: list[str], uid: str, extra: Mapping[str, list[str]]) -> None:
        if not self._user_rules:
            return
        shown = {
            "username": name,
            "groups": groups,
            "uid": uid,
            "extra": {key: list(v) for key, v in extra.items()},
        }
        for text, message, program in self._user_rules:
            assert program is not None
            if _evaluated(program, {"user": shown}) is not True:
                raise _refused(message or f"validation expression '{text}' failed")


def _require_claim(claims: Claims, name: str, wanted: str) -> None:
    value = claims.get(name)
    if not isinstance(value, str):
        raise _refused(f"required claim {name} not present in ID token")
    if wanted and value != wanted:
        raise _refused(f"required claim {name} value does not match. Got = {value}, want = {wanted}")


def _uid(program: Program | None, wanted: Mapped, claims: Claims, values: dict[str, Any]) -> str:
    value = (
        _evaluated(program, values)
        if program is not None
        else claims.get(wanted.claim)
        if wanted.claim
        else ""
    )
    if not isinstance(value, str):
        raise _refused("the uid is missing or not a string")
    return value


def _texts(
    program: Program | None, wanted: Mapped, claims: Claims, values: dict[str, Any], what: str
) -> list[str]:
    """A claim may be absent, a string or a list of strings."""
    if program is not None:
        return _as_texts(_evaluated(program, values), what)
    if not wanted.claim:
        return []
    if wanted.claim in (claims.get("_claim_names") or {}):
        raise _refused(f"distributed claims are not supported, and {wanted.claim!r} is one")
    return [wanted.prefix + text for text in _as_texts(claims.get(wanted.claim), what)]


def _as_texts(value: Any, what: str) -> list[str]:
    if value is None or value == "":
        return []
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise _refused(f"the {what} are neither a string nor a list of strings")
    return [each for each in found if each]


def _evaluated(program: Program, values: Mapping[str, Any]) -> Any:
    try:
        return program(values)
    except CelError as error:
        raise _refused(f"expression '{program.text}' resulted in error: {error}") from error


def _refused(why: str) -> Unauthorized:
    return Unauthorized(f"Unauthorized: {why}")
