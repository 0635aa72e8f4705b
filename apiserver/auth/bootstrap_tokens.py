"""Bootstrap tokens: what a machine shows that is to become a node, before it has a certificate.

`abcdef.0123456789abcdef` stands for the Secret `bootstrap-token-abcdef` in kube-system; it makes the user
`system:bootstrap:abcdef` in the group `system:bootstrappers` and those the Secret adds. Looked up with every
request, so that a deleted or expired token is worth nothing at once.

Source: Kubernetes "Authenticating with Bootstrap Tokens".
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import Any

import orjson

from apiserver.auth.seams import Credentials
from apiserver.auth.user import User
from apiserver.auth.x509 import AUTHENTICATED
from apiserver.storage.store import Store
from client.logs import get_logger
from machinery.clock import Clock, parse_rfc3339

log = get_logger("bootstrap-tokens")

NAMESPACE = "kube-system"
TYPE = "bootstrap.kubernetes.io/token"
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
        entry = await self._secrets.get(NAMESPACE, f"bootstrap-token-{token_id}")
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
    data = {key: _text(value) for key, value in (obj.get("data") or {}).items()}
    if not hmac.compare_digest(data.get("token-secret", "").encode(), secret.encode()):
        return "its token-secret is another one"
    if data.get("token-id") != token_id:
        return "its token-id is another one"
    if has_expired(data.get("expiration", ""), now):
        return "it has expired"
    if data.get("usage-bootstrap-authentication") != "true":
        return "it is not marked usage-bootstrap-authentication=true"
    extra = [group.strip() for group in data.get("auth-extra-groups", "").split(",") if group.strip()]
    if wrong := [group for group in extra if not _EXTRA_GROUP.match(group)]:
        return f"auth-extra-groups has invalid groups: {', '.join(wrong)}"
    return User(f"system:bootstrap:{token_id}", (GROUP, *sorted(set(extra)), AUTHENTICATED))


def has_expired(expiration: str, now: float) -> bool:
    """An expiration that cannot be read has passed."""
    if not expiration:
        return False
    try:
        return now >= parse_rfc3339(expiration)
    except ValueError:
        return True


def _text(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, ValueError):
        return ""
