"""One HTTP request on its way through the chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from apiserver.auth.user import User
from apiserver.engine.query import Query
from apiserver.http.request_info import RequestInfo
from machinery.schema import Schema


@dataclass(slots=True)
class Request:
    """One HTTP request after authentication and authorization. `body` is read; streams read nothing more."""

    info: RequestInfo
    method: str
    query: Query
    headers: Mapping[bytes, bytes]
    user: User
    body: bytes = b""
    raw_query: bytes = b""
    raw_headers: Sequence[tuple[bytes, bytes]] = ()  # as they came: names may repeat
    client: str = ""  # the address that it comes from
    upgrade: bytes | None = None  # the protocol asked for, where the connection can be upgraded
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)  # what admission notes for the audit log
    allowed_by: str | None = None  # why authorization let it pass; None where it did not (yet)
    schema: Callable[[], Schema] | None = None  # what its body is read by, once that is known

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("utf-8", "replace")
