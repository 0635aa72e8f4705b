"""The way to an extension API server: from its Service to one of its endpoints, over TLS, as somebody.

This server may run outside of the pods' network's name service, so it resolves the Service itself: cluster address
and port to a ready endpoint. Its certificate must name the Service (NAME.NAMESPACE.svc) and be signed by the
APIService's caBundle, or by the system's authorities; unless insecureSkipTLSVerify says otherwise.

Who asks is told in headers, which the extension server believes because of the client certificate shown
(`extension-apiserver-authentication` in kube-system names its authority).
"""

from __future__ import annotations

import base64
import binascii
import random
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import orjson

from apiserver.aggregation.remote import Remote
from apiserver.auth.user import User
from apiserver.http.reply import Header
from apiserver.node_http import HttpExchange, exchange
from apiserver.webhook_client import Endpoints, plan_endpoint

USER_HEADER, UID_HEADER, GROUP_HEADER = "X-Remote-User", "X-Remote-Uid", "X-Remote-Group"
EXTRA_PREFIX = "X-Remote-Extra-"
_KEPT = 64


class Unreachable(Exception):
    """There is no way to it; the message says why."""


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """The certificate that extension servers know this server by; `ca` is its authority's, in PEM."""

    cert: Path
    key: Path
    ca: str
    allowed_names: Sequence[str] = ("front-proxy-client",)


@dataclass(frozen=True, slots=True)
class Place:
    host: str
    port: int
    context: ssl.SSLContext
    server_name: str


def identity_headers(user: User) -> list[Header]:
    headers = [(USER_HEADER, user.name)]
    if user.uid:
        headers.append((UID_HEADER, user.uid))
    headers += [(GROUP_HEADER, group) for group in user.groups]
    for key, values in sorted(user.extra.items()):
        # Header names are read without regard to case; what they cannot hold is escaped.
        headers += [(EXTRA_PREFIX + quote(key, safe="").lower(), value) for value in values]
    return [(key.encode("latin-1"), value.encode("utf-8")) for key, value in headers]


def authentication_data(client_ca: str, proxy: FrontProxy | None) -> Mapping[str, str]:
    """The data of the ConfigMap by which extension API servers know whom to believe."""
    data = {"client-ca-file": client_ca} if client_ca else {}
    if proxy is not None:
        names = orjson.dumps(list(proxy.allowed_names)).decode()
        data |= {
            "requestheader-allowed-names": names,
            "requestheader-client-ca-file": proxy.ca,
            "requestheader-extra-headers-prefix": f'["{EXTRA_PREFIX}"]',
            "requestheader-group-headers": f'["{GROUP_HEADER}"]',
            "requestheader-uid-headers": f'["{UID_HEADER}"]',
            "requestheader-username-headers": f'["{USER_HEADER}"]',
        }
    return data


class Reach:
    def __init__(self, endpoints: Endpoints, rng: random.Random, proxy: FrontProxy | None) -> None:
        self.endpoints = endpoints
        self._rng = rng
        self._proxy = proxy
        self._contexts: dict[tuple[str, bool], ssl.SSLContext] = {}

    async def place(self, remote: Remote) -> Place:
        """Raises Unreachable."""
        namespace, name, port = remote.service
        service, slices = await self.endpoints(namespace, name)
        if service is None:
            raise Unreachable(f'service "{name}" not found')
        found = plan_endpoint(service, slices, port, self._rng)
        if found is None:
            raise Unreachable(f'no endpoints available for service "{name}"')
        return Place(*found, self._context(*remote.trust), f"{name}.{namespace}.svc")

    def exchange(
        self,
        place: Place,
        method: str,
        target: str,
        headers: Sequence[Header],
        user: User,
        body: bytes = b"",
        *,
        upgrade: bytes = b"",
    ) -> AbstractAsyncContextManager[HttpExchange]:
        return exchange(
            place.host,
            place.port,
            place.context,
            method,
            target,
            [*identity_headers(user), *headers],
            body,
            server_name=place.server_name,
            upgrade=upgrade,
        )

    def _context(self, ca_bundle: str, insecure: bool) -> ssl.SSLContext:
        known = self._contexts.get((ca_bundle, insecure))
        if known is not None:
            return known
        try:
            cadata = base64.b64decode(ca_bundle).decode() if ca_bundle else None
            context = ssl.create_default_context(cadata=cadata)
            if self._proxy is not None:
                context.load_cert_chain(self._proxy.cert, self._proxy.key)
        except (ssl.SSLError, binascii.Error, UnicodeDecodeError, OSError) as error:
            raise Unreachable(f"unable to load certificates: {error}") from error
        if insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if len(self._contexts) >= _KEPT:
            self._contexts.clear()
        self._contexts[ca_bundle, insecure] = context
        return context


def url_of(remote: Remote, path: str) -> str:
    """As people know it."""
    namespace, name, port = remote.service
    return f"https://{name}.{namespace}.svc:{port}{path}"
