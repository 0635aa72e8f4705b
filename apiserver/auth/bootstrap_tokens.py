"""Bootstrap tokens: what a machine shows that is to become a node, before it has a certificate.

`abcdef.0123456789abcdef` stands for the Secret `bootstrap-token-abcdef` in kube-system; it makes the user
`system:bootstrap:abcdef` in the group `system:bootstrappers` and those the Secret adds. Looked up with every
request, so that a deleted or expired token is worth nothing at once.

Source: Kubernetes "Authenticating with Bootstrap Tokens".
"""

from __future__ import annotations

import hmac
import re
from typing import Any

import orjson

from api.core.v1.bootstrap_token import AUTHENTICATES, NAMESPACE, PREFIX, TYPE, expires_s, token_data
from apiserver.auth.seams import Credentials
from apiserver.auth.user import User
from apiserver.auth.x509 import AUTHENTICATED
from apiserver.storage.store import Store
from client.logs import get_logger
from machinery.clock import Clock

log = get_logger("bootstrap-tokens")

GROUP = "system:bootstrappers"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})\Z")
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\Z")


class BootstrapTokenAuthenticator:
    def __init__(self, secrets: Store, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock

    async def authenticate(self, credentials: Credentials) -> User | None:
        """None for every other token, and for one that does not hold (others may know it)."""
        match = _TOKEN.match(credentials.bearer_token)
        if match is None:
            return None
        token_id, secret = match.groups()
        entry = await self._secrets.get(NAMESPACE, f"{PREFIX}{token_id}")
        if entry is None:
            return None
        user = user_of(orjson.loads(entry.data), token_id, secret, self._clock.now())
        if isinstance(user, str):
            log.info("a bootstrap token was refused", secret=entry.name, why=user)
            return None
        return user


def user_of(obj: dict[str, Any], token_id: str, secret: str, now: float) -> User | str:
    """Whom the Secret makes of its token, or why it makes nobody."""
    if obj["metadata"].get("deletionTimestamp"):
        return "it is deleted and awaiting removal"
    if obj.get("type") != TYPE:
        return f"it has an invalid type, expected {TYPE}"
    data = token_data(obj)
    if not hmac.compare_digest(data.get("token-secret", "").encode(), secret.encode()):
        return "its token-secret is another one"
    if data.get("token-id") != token_id:
        return "its token-id is another one"
    end = expires_s(data)
    if end is not None and now >= end:
        return "it has expired"
    if data.get(AUTHENTICATES) != "true":
        return f"it is not marked {AUTHENTICATES}=true"
    extra = [group.strip() for group in data.get("auth-extra-groups", "").split(",") if group.strip()]
    if wrong := [group for group in extra if not _EXTRA_GROUP.match(group)]:
        return f"auth-extra-groups has invalid groups: {', '.join(wrong)}"
    return User(f"system:bootstrap:{token_id}", (GROUP, *sorted(set(extra)), AUTHENTICATED))
