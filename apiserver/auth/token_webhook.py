"""Bearer tokens that a webhook knows: it is sent a TokenReview, and its answer is believed for a while.

Source: Kubernetes "Authenticating", webhook token authentication.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from apiserver.auth.seams import Credentials
from apiserver.auth.user import User
from apiserver.auth.webhook_call import CallFailed, ReviewWebhook
from apiserver.auth.x509 import AUTHENTICATED
from client.logs import get_logger
from machinery.clock import Clock
from machinery.remembered import Remembered

log = get_logger("token-webhook")

REMEMBERED = 4096


class TokenWebhookAuthenticator:
    """The last to be asked: only tokens that nobody here knows leave the server."""

    def __init__(
        self,
        webhook: ReviewWebhook,
        clock: Clock,
        *,
        audiences: Sequence[str] = (),
        believed_s: float = 120.0,
    ) -> None:
        self._webhook = webhook
        self._clock = clock
        self._audiences = list(audiences)
        self._believed_s = believed_s
        self._known: Remembered[bytes, tuple[User | None]] = Remembered(REMEMBERED)

    async def authenticate(self, credentials: Credentials) -> User | None:
        token = credentials.bearer_token
        if not token:
            return None
        digest = sha256(token.encode()).digest()
        known = self._known.get(digest, self._clock.monotonic())
        if known is not None:
            return known[0]
        try:
            status = await self._webhook.ask(self._review(token))
        except CallFailed as error:
            log.error("the token webhook failed", error=str(error))
            return None
        user = self._user(status)
        self._known.put(digest, (user,), self._clock.monotonic() + self._believed_s)
        return user

    def _review(self, token: str) -> dict[str, Any]:
        spec: dict[str, Any] = {"token": token}
        if self._audiences:
            spec["audiences"] = self._audiences
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}

    def _user(self, status: dict[str, Any]) -> User | None:
        if status.get("authenticated") is not True:
            return None
        said = status.get("audiences")
        if said and self._audiences and not set(said) & set(self._audiences):
            log.warning("the token webhook knows a token for other audiences", audiences=said)
            return None
        told = status.get("user") or {}
        if not told.get("username"):
            return None
        groups = [*(told.get("groups") or ()), AUTHENTICATED]
        return User(
            told["username"], tuple(dict.fromkeys(groups)), told.get("uid") or "", told.get("extra") or {}
        )
