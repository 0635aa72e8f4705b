"""A proxy before this server says who asks: it shows a certificate of its own CA, and names the caller in headers.

    X-Remote-User: jane    X-Remote-Group: dev    X-Remote-Uid: 42    X-Remote-Extra-Scopes: read

Without a certificate of that CA, with one whose common name is not allowed, or without a name in the first header that has
one, the headers mean nothing. Who is named here is a caller like any other: authenticated, and judged by RBAC.

Source: apiserver's authentication/request/headerrequest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from apiserver.auth.authorities import Authorities
from apiserver.auth.seams import Credentials
from apiserver.auth.user import User
from apiserver.auth.x509 import AUTHENTICATED, REMEMBERED, read_certificate
from machinery.clock import Clock
from machinery.errors import Unauthorized

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class HeaderNames:
    """In the order that they are looked for. `extra` are prefixes."""

    user: tuple[str, ...]
    uid: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


class RequestHeaderAuthenticator:
    """`allowed` are the proxies' common names; () is any certificate of the CA."""

    def __init__(
        self, proxies: Authorities, names: HeaderNames, allowed: Sequence[str], clock: Clock
    ) -> None:
        self._proxies = proxies
        self._names = names
        self._allowed = frozenset(allowed)
        self._clock = clock
        self._until: dict[bytes, tuple[str, float]] = {}  # (common name, end) of certificates

    async def authenticate(self, credentials: Credentials) -> User | None:
        der = credentials.certificate_der
        if not der or not self._proxies.have_issued(der):
            return None
        name, expires_s = self._read(der)
        if self._clock.now() > expires_s:
            raise Unauthorized("Unauthorized: the proxy's client certificate has expired")
        if self._allowed and name not in self._allowed:
            raise Unauthorized(f"Unauthorized: x509: subject with cn={name} is not in the allowed list")
        return named_by(credentials.headers, self._names)

    def _read(self, der: bytes) -> tuple[str, float]:
        known = self._until.get(der)
        if known is None:
            user, expires_s = read_certificate(der)
            if len(self._until) >= REMEMBERED:
                self._until.clear()
            known = self._until[der] = (user.name, expires_s)
        return known


def named_by(headers: Iterable[Header], names: HeaderNames) -> User | None:
    """Whom a proxy's headers name; None where they name nobody."""
    given: dict[str, list[str]] = {}
    for name, value in headers:
        given.setdefault(name.decode("latin-1").lower(), []).append(_text(value))
    user = _first(given, names.user)
    if not user:
        return None
    groups = [group for name in names.group for group in given.get(name.lower(), ()) if group]
    extra: dict[str, list[str]] = {}
    for prefix in names.extra:
        for header, values in given.items():
            if header.startswith(prefix.lower()):
                extra.setdefault(unquote(header[len(prefix) :]), []).extend(values)
    return User(user, tuple(dict.fromkeys([*groups, AUTHENTICATED])), _first(given, names.uid), extra)


def _first(given: dict[str, list[str]], names: Sequence[str]) -> str:
    """The first header's first value that is one."""
    return next((given[name.lower()][0] for name in names if given.get(name.lower(), [""])[0]), "")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
