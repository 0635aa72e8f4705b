"""ServiceAccount tokens: whom a token stands for, and whether what it is bound to still lives.

A token's signature is checked once and remembered; its end, its audience and the existence of the
account and of the pod, secret or node it is bound to are looked at with every request, so that a
deleted pod's token is worth nothing from that moment on.

Source: Kubernetes "Managing Service Accounts", bound service account tokens.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import orjson

from apiserver.auth.seams import Credentials
from apiserver.auth.signing import LEGACY_ISSUER, Claims, TokenSigner
from apiserver.auth.user import User
from apiserver.auth.x509 import AUTHENTICATED
from apiserver.storage.store import Entry, Store
from machinery.clock import Clock, parse_rfc3339
from machinery.errors import Unauthorized

PREFIX = "system:serviceaccount:"
PRIVATE = "kubernetes.io"  # the claim that holds the bound objects
REMEMBERED = 8192
DELETION_LEEWAY_S = 60.0  # a terminating pod may still say good-bye
CLOCK_SKEW_S = 10.0
_EXTRA = "authentication.kubernetes.io/"
LEGACY_CLAIMS = "kubernetes.io/serviceaccount"
_LEGACY_FIELDS = ("namespace", "secret.name", "service-account.name", "service-account.uid")


def service_account_user(
    namespace: str, name: str, uid: str = "", extra: Mapping[str, Sequence[str]] | None = None
) -> User:
    return User(f"{PREFIX}{namespace}:{name}", service_account_groups(namespace), uid, extra or {})


def service_account_groups(namespace: str) -> tuple[str, ...]:
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)


def split_user_name(user_name: str) -> tuple[str, str] | None:
    """(namespace, name) of a ServiceAccount's user name."""
    namespace, found, name = user_name.removeprefix(PREFIX).partition(":")
    return (namespace, name) if user_name.startswith(PREFIX) and found and namespace and name else None


class ServiceAccountAuthenticator:
    def __init__(
        self,
        signer: TokenSigner,
        *,
        service_accounts: Store,
        pods: Store,
        secrets: Store,
        nodes: Store,
        clock: Clock,
        api_audiences: Sequence[str] = (),
    ) -> None:
        self._signer = signer
        self._accounts = service_accounts
        self._bound = {"pod": pods, "secret": secrets, "node": nodes}
        self._clock = clock
        self.api_audiences = tuple(api_audiences) or (signer.issuer,)
        self.on_legacy_use: Callable[[Entry], None] | None = None  # told of the Secret
        self._verified: dict[str, Claims] = {}
        self._identities: dict[tuple[str, str], tuple[int, str, float | None]] = {}

    async def authenticate(self, credentials: Credentials) -> User | None:
        token = credentials.bearer_token
        if not token or (token not in self._verified and not self._signer.is_ours(token)):
            return None
        user, _ = await self.authenticate_token(token)
        return user

    async def authenticate_token(self, token: str, audiences: Sequence[str] = ()) -> tuple[User, list[str]]:
        """(who it is, those of `audiences` that the token is meant for); no audiences: this API server's.

        Raises Unauthorized with the reason.
        """
        claims = self._verified.get(token)
        if claims is None:
            claims = self._signer.verify(token)
            if len(self._verified) >= REMEMBERED:
                self._verified.clear()
            self._verified[token] = claims
        if claims.get("iss") == LEGACY_ISSUER:
            # Such a token names no audience: it is for this API server.
            meant = (
                [each for each in audiences if each in self.api_audiences]
                if audiences
                else list(self.api_audiences)
            )
            if not meant:
                raise Unauthorized(
                    f"Unauthorized: the token is for {list(self.api_audiences)}, not for {list(audiences)}"
                )
            return await self._legacy_user(claims, token), meant
        meant = check_claims(claims, self._signer.issuers, audiences or self.api_audiences, self._clock.now())
        return await self._live_user(claims), meant

    async def _legacy_user(self, claims: Claims, token: str) -> User:
        """Of a token that lives in a Secret, and as long as it does there."""
        said = {key: str(claims.get(f"{LEGACY_CLAIMS}/{key}", "")) for key in _LEGACY_FIELDS}
        namespace, name = said["namespace"], said["service-account.name"]
        if claims.get("sub") != f"{PREFIX}{namespace}:{name}":
            raise Unauthorized("Unauthorized: the token's subject does not match its service account")
        uid = said["service-account.uid"]
        await self._check_alive("serviceaccount", self._accounts, namespace, name, uid)
        entry = await self._bound["secret"].get(namespace, said["secret.name"])
        if entry is None:
            raise Unauthorized("Unauthorized: service account token has been invalidated")
        if self._identity(entry)[1] is not None or not _holds_token(entry, token):
            raise Unauthorized("Unauthorized: service account token has been invalidated")
        if self.on_legacy_use is not None:
            self.on_legacy_use(entry)
        return service_account_user(namespace, name, uid)

    async def _live_user(self, claims: Claims) -> User:
        private = claims.get(PRIVATE) or {}
        namespace, account = private.get("namespace", ""), private.get("serviceaccount") or {}
        name, uid = account.get("name", ""), account.get("uid", "")
        if claims.get("sub") != f"{PREFIX}{namespace}:{name}":
            raise Unauthorized("Unauthorized: the token's subject does not match its service account")
        await self._check_alive("serviceaccount", self._accounts, namespace, name, uid)
        extra: dict[str, list[str]] = {}
        for kind, store in self._bound.items():
            ref = private.get(kind)
            if not ref:
                continue
            where = "" if kind == "node" else namespace
            # A pod's node is only told of; a token bound to the node itself ends with it.
            if kind != "node" or "pod" not in private:
                await self._check_alive(kind, store, where, ref.get("name", ""), ref.get("uid", ""))
            if kind != "secret":
                extra[f"{_EXTRA}{kind}-name"] = [ref.get("name", "")]
                extra[f"{_EXTRA}{kind}-uid"] = [ref.get("uid", "")]
        if claims.get("jti"):
            extra[f"{_EXTRA}credential-id"] = [f"JTI={claims['jti']}"]
        return service_account_user(namespace, name, uid, extra)

    async def _check_alive(self, kind: str, store: Store, namespace: str, name: str, uid: str) -> None:
        entry = await store.get(namespace, name)
        if entry is None:
            raise Unauthorized(f'Unauthorized: the token\'s {kind} "{name}" is gone')
        has_uid, deleted_s = self._identity(entry)
        if has_uid != uid:
            raise Unauthorized(f'Unauthorized: the token\'s {kind} "{name}" is another one of the same name')
        if deleted_s is not None and self._clock.now() > deleted_s + DELETION_LEEWAY_S:
            raise Unauthorized(f'Unauthorized: the token\'s {kind} "{name}" is being deleted')

    def _identity(self, entry: Entry) -> tuple[str, float | None]:
        """(uid, deletion time) of a stored object, read once for each of its revisions."""
        at = (entry.key, entry.name)
        known = self._identities.get(at)
        if known is None or known[0] != entry.revision:
            metadata: dict[str, Any] = orjson.loads(entry.data)["metadata"]
            deleted = metadata.get("deletionTimestamp")
            known = (entry.revision, metadata.get("uid", ""), parse_rfc3339(deleted) if deleted else None)
            if len(self._identities) >= REMEMBERED:
                self._identities.clear()
            self._identities[at] = known
        return known[1], known[2]


def _holds_token(entry: Entry, token: str) -> bool:
    stored = (orjson.loads(entry.data).get("data") or {}).get("token", "")
    try:
        return hmac.compare_digest(base64.b64decode(stored), token.encode())
    except (binascii.Error, ValueError):
        return False


def check_claims(claims: Claims, issuers: Collection[str], audiences: Sequence[str], now: float) -> list[str]:
    """Which of `audiences` the token is for. Raises Unauthorized where it does not hold now, or for none."""
    if claims.get("iss") not in issuers:
        raise Unauthorized("Unauthorized: the token has another issuer")
    expires, not_before = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or now > expires:
        raise Unauthorized("Unauthorized: the token has expired")
    if not isinstance(not_before, int | float) or now + CLOCK_SKEW_S < not_before:
        raise Unauthorized("Unauthorized: the token is not valid yet")
    said = claims.get("aud") or []
    held = [said] if isinstance(said, str) else said
    meant = [audience for audience in audiences if audience in held]
    if not meant:
        raise Unauthorized(f"Unauthorized: the token is for {held}, not for {list(audiences)}")
    return meant
