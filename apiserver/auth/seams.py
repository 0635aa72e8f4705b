"""The two questions security asks of every request, as Protocols: who is it, and may they?

Implementations are chained by `apiserver/__main__.py`: authenticators until one knows the caller,
authorizers until one allows or denies. Authorizers answer from memory; one that would have to wait (a webhook that
was not asked yet) says so, and `decide` waits for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from apiserver.auth.user import Attributes, User
from machinery.value import value


@value
class Credentials:
    """What a connection and its headers show. `certificate_der` was verified by TLS, against the client CA and that of the
    proxies before this server, where there are any."""

    certificate_der: bytes | None = None
    bearer_token: str = ""
    in_process_user: User | None = None  # set only by the in-process transport, never from the network
    peer: str = ""
    headers: Sequence[tuple[bytes, bytes]] = ()


class Authenticator(Protocol):
    async def authenticate(self, credentials: Credentials) -> User | None:
        """The caller, None if these credentials are not this authenticator's kind. Raises Unauthorized when they
        are but do not hold (an expired token)."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """allowed True: go. denied True: nobody else is asked. Neither: no opinion, ask the next.

    `pending` is set where the answer is not at hand (a webhook must be asked): awaited, it gives a decision without
    one. `reason` is shown to the denied.
    """

    allowed: bool
    reason: str = ""
    denied: bool = False
    pending: Callable[[], Awaitable[Decision]] | None = None


class Authorizer(Protocol):
    def authorize(self, attributes: Attributes) -> Decision: ...


async def decide(authorizer: Authorizer, attributes: Attributes) -> Decision:
    """The answer, waited for where it must be."""
    decision = authorizer.authorize(attributes)
    return decision if decision.pending is None else await decision.pending()
