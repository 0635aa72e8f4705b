"""The two questions security asks of every request, as Protocols: who is it, and may they?

Implementations are chained by `apiserver/__main__.py`: authenticators until one knows the caller,
authorizers until one allows. Authorizers answer from caches and never wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from apiserver.auth.user import Attributes, User


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a connection and its headers show. `certificate_der` was verified against the client CA by TLS."""

    certificate_der: bytes | None = None
    bearer_token: str = ""
    in_process_user: User | None = None  # set only by the in-process transport, never from the network
    peer: str = ""
    headers: Mapping[str, str] | None = None  # Impersonate-*, in lower case


class Authenticator(Protocol):
    async def authenticate(self, credentials: Credentials) -> User | None:
        """The caller, None if these credentials are not this authenticator's kind. Raises Unauthorized when they
        are but do not hold (an expired token)."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """allowed True: go. allowed False: no opinion, ask the next. `reason` is shown to the denied."""

    allowed: bool
    reason: str = ""


class Authorizer(Protocol):
    def authorize(self, attributes: Attributes) -> Decision: ...
