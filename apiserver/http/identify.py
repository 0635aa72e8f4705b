"""Who makes a request: the transport's word first, then the authenticators' in order.

`scope["extensions"]["kctl"]["user"]` is set by the in-process transport only; `["tls"]["der"]` by the TLS protocol,
from a certificate that was verified against the CAs of clients and of proxies. Nothing that came over the network sets either.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence

from apiserver.auth.seams import Authenticator, Credentials
from apiserver.auth.user import ANONYMOUS, User
from apiserver.http.reply import Header, Scope
from machinery.errors import Unauthorized

TOKEN_PROTOCOL = "base64url.bearer.authorization.k8s.io."


class Anonymity:
    """Where a caller who shows nothing is taken as system:anonymous instead of being refused; None is everywhere."""

    __slots__ = ("paths",)

    def __init__(self, paths: frozenset[str] | None) -> None:
        self.paths = paths

    def allows(self, path: str) -> bool:
        return self.paths is None or path in self.paths


class Identity:
    def __init__(self, authenticators: Sequence[Authenticator], anonymity: Anonymity) -> None:
        self._authenticators = authenticators
        self._anonymity = anonymity

    async def __call__(self, scope: Scope, headers: Mapping[bytes, bytes]) -> User:
        """Raises Unauthorized."""
        extensions = scope.get("extensions") or {}
        own = extensions.get("kctl")
        tls = extensions.get("tls")
        authorization = headers.get(b"authorization", b"")
        token = authorization[7:].strip().decode("latin-1") if authorization[:7].lower() == b"bearer " else ""
        if not token and (scope["type"] == "websocket" or "upgrade" in extensions):
            token = token_of(subprotocols_of(scope["headers"]))
        client = scope.get("client")
        credentials = Credentials(
            tls["der"] if tls else None,
            token,
            own["user"] if own else None,
            client[0] if client else "",
            scope["headers"],
        )
        for authenticator in self._authenticators:
            user = await authenticator.authenticate(credentials)
            if user is not None:
                return user
        if token or not self._anonymity.allows(scope["path"]):
            raise Unauthorized("Unauthorized")
        return ANONYMOUS


def subprotocols_of(headers: Iterable[Header]) -> list[str]:
    """What a websocket's request offers, in order."""
    lines = (value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol")
    return [each for line in lines for each in (piece.strip() for piece in line.split(",")) if each]


def token_of(subprotocols: Sequence[str]) -> str:
    """A browser cannot set headers on a websocket: the token comes as one of the offered subprotocols."""

    for offered in subprotocols:
        if offered.startswith(TOKEN_PROTOCOL):
            text = offered.removeprefix(TOKEN_PROTOCOL)
            try:
                return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            except ValueError:
                raise Unauthorized("Unauthorized") from None
    return ""


def is_impersonation(headers: Mapping[bytes, bytes]) -> bool:
    """Whether somebody asks to act as another."""
    return b"impersonate-" in b"\n".join(headers)  # a third of the time that asking each name takes


def impersonation_of(scope: Scope) -> dict[str, str]:
    """Impersonate-* headers; repeated ones (groups) joined by a newline, which no header can hold."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key.startswith("impersonate-"):
            text = value.decode("latin-1")
            found[key] = f"{found[key]}\n{text}" if key in found else text
    return found
