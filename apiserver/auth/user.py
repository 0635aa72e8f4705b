"""Who makes a request, as authentication found out and authorization reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from machinery.value import value


@dataclass(frozen=True, slots=True)
class User:
    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    impersonator: User | None = field(default=None, compare=False)  # who really asks, where this is another


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@value
class Attributes:
    """What a request wants to do: the question put to the authorizers.

    `path` is set, and the rest empty, for non-resource requests (/healthz, /metrics).
    """

    user: User
    verb: str  # get list watch create update patch delete deletecollection; lower-case HTTP method for paths
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
