"""Everything that decides who may do what, as one value: built once the built-in stores are open.

Authenticators, authorizer and admission follow stores (roles, pods, service accounts), so they cannot be made
before those; `make_security` in Parts is called with a way to find them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.admission.admission import AdmissionPlugin
from apiserver.auth.seams import Authenticator, Authorizer
from apiserver.auth.user import User
from apiserver.engine.engine import Engine
from apiserver.http.paths import Keys
from apiserver.http.resources import Action


def no_rules(user: User, namespace: str) -> Sequence[Mapping[str, Any]]:
    return ()


@dataclass(slots=True)
class Security:
    """`runners` are what keeps the parts current: each runs until cancelled. `synced` waits for their first state."""

    authenticators: Sequence[Authenticator]
    authorizer: Authorizer
    admission: Sequence[AdmissionPlugin] = ()
    rules_for: Callable[[User, str], Sequence[Mapping[str, Any]]] = no_rules
    runners: Sequence[Callable[[], Awaitable[None]]] = ()
    synced: Sequence[Callable[[], Awaitable[None]]] = ()
    keys: Keys | None = None
    audiences: Sequence[str] = ()
    # POST to serviceaccounts/NAME/token
    issue_token: Action | None = None


MakeSecurity = Callable[[Engine], Security]
