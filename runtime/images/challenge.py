"""Who may pull: WWW-Authenticate challenges, token requests, and the headers that answer them.

The token flow is the distribution project's ("Token Authentication Specification"), which Docker Hub and
most registries use: a 401 names a realm, which gives a short-lived bearer token for a scope. Pure but for
`Credentials`, which remembers tokens per registry, repository and login until shortly before they expire.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from runtime.cri import Auth
from runtime.images.failures import pull_failure

_PAIR = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*))')
_DEFAULT_LIFE_S = 60.0
_MARGIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Challenge:
    scheme: str  # lower case: bearer, basic
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(headers: Sequence[str]) -> list[Challenge]:
    """`Bearer realm="https://auth...",service="x"` → [Challenge]. One challenge per header line."""
    found = []
    for header in headers:
        scheme, _, rest = header.strip().partition(" ")
        pairs = {
            m[1].lower(): re.sub(r"\\(.)", r"\1", m[2]) if m[2] is not None else m[3]
            for m in _PAIR.finditer(rest)
        }
        found.append(Challenge(scheme.lower(), pairs))
    return found


def pick_challenge(challenges: Sequence[Challenge]) -> Challenge | None:
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme:
                return challenge
    return None


def basic_header(auth: Auth) -> str:
    return "Basic " + base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()


def token_url(challenge: Challenge, repository: str, *, is_registry_plain: bool) -> str:
    """Where to ask for a token to pull `repository`. Refuses a realm that would show the login in clear."""
    realm = challenge.parameters.get("realm", "")
    scheme = urlsplit(realm).scheme
    if scheme not in ("https", "http") or (scheme == "http" and not is_registry_plain):
        raise pull_failure(f"the registry asks for a login at {realm!r}, which is not an https address")
    query = {"scope": challenge.parameters.get("scope") or f"repository:{repository}:pull"}
    if service := challenge.parameters.get("service"):
        query["service"] = service
    return realm + ("&" if urlsplit(realm).query else "?") + urlencode(sorted(query.items()))


def parse_token(body: bytes) -> tuple[str, float]:
    """(token, life in seconds)."""
    try:
        document = json.loads(body)
        token = document.get("token") or document.get("access_token")
        life_s = float(document.get("expires_in") or _DEFAULT_LIFE_S)
    except (ValueError, TypeError, AttributeError) as error:
        raise pull_failure(f"the registry's token server sent no JSON: {error}") from error
    if not isinstance(token, str) or not token or not token.isascii() or any(c.isspace() for c in token):
        raise pull_failure("the registry's token server sent no token")
    return token, life_s


class Credentials:
    """Authorization headers that worked, by (registry address, repository, login)."""

    def __init__(self) -> None:
        self._headers: dict[tuple[str, str, Auth], tuple[str, float]] = {}

    def find(self, base_url: str, repository: str, auth: Auth, now: float) -> str:
        header, until = self._headers.get((base_url, repository, auth), ("", 0.0))
        return header if now < until else ""

    def remember(
        self, base_url: str, repository: str, auth: Auth, header: str, life_s: float, now: float
    ) -> None:
        self._headers = {key: value for key, value in self._headers.items() if now < value[1]}
        self._headers[(base_url, repository, auth)] = (header, now + max(life_s - _MARGIN_S, 1.0))

    def forget(self, base_url: str, repository: str, auth: Auth) -> None:
        self._headers.pop((base_url, repository, auth), None)
