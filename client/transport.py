"""The seam between a client and whatever carries its requests: TLS, or a call in the same process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

Query = Sequence[tuple[str, str]]


class TransportError(Exception):
    """No answer: refused, reset, timed out. The cause is chained; retrying may help."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]  # names in lower case; the last of equal names
    body: bytes
    warnings: Sequence[str] = field(default=())  # the texts of Warning headers


class Stream(Protocol):
    """An answer whose body is read while it comes."""

    status: int
    headers: Mapping[str, str]

    def lines(self) -> AsyncIterator[bytes]:
        """Newline-separated pieces of the body, without the newline; ends with the body."""
        ...

    def chunks(self) -> AsyncIterator[bytes]: ...

    async def read(self) -> bytes:
        """The rest of the body."""
        ...


class Transport(Protocol):
    """Implementations: `client/http1.py` (asyncio, httptools, TLS), `client/inprocess.py` (an ASGI app)."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = 30.0,
    ) -> Response:
        """One exchange. Raises TransportError; an answer of any status is returned, not raised."""
        ...

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        idle_timeout_s: float | None = None,
    ) -> AbstractAsyncContextManager[Stream]:
        """Leaving the block ends the exchange and frees its connection."""
        ...

    async def close(self) -> None: ...
