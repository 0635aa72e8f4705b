"""Bootstrap tokens as Secrets hold them: `abcdef.0123456789abcdef` is the Secret `bootstrap-token-abcdef` in kube-system.

Shared by who believes them (API server) and who signs with them and removes them (controllers).
Source: Kubernetes "Authenticating with Bootstrap Tokens".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from machinery.clock import parse_rfc3339

NAMESPACE = "kube-system"
TYPE = "bootstrap.kubernetes.io/token"
PREFIX = "bootstrap-token-"
AUTHENTICATES = "usage-bootstrap-authentication"
SIGNS = "usage-bootstrap-signing"


def token_data(secret: Mapping[str, Any]) -> dict[str, str]:
    """A Secret's data as text; what is no text is left out."""
    found = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            found[key] = base64.b64decode(value).decode()
        except (binascii.Error, ValueError):
            continue
    return found


def expires_s(data: Mapping[str, str]) -> float | None:
    """None: never. What cannot be read has expired."""
    text = data.get("expiration", "")
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError:
        return 0.0
