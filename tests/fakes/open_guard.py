"""Who may do what, where a test is of what lies behind: whoever comes through the in-process transport may do everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.admission.admission import AdmissionPlugin
from apiserver.auth import chain
from apiserver.auth.user import User
from apiserver.engine.engine import Engine
from apiserver.guard import Guard
from machinery.errors import Unauthorized


def open_guard(engine: Engine, admission: Sequence[AdmissionPlugin] = ()) -> Guard:
    """Nobody else gets in."""

    async def review(token: str, wanted: Sequence[str]) -> tuple[User, list[str]]:
        raise Unauthorized("no tokens are known here")

    def rules_for(user: User, namespace: str) -> tuple[Sequence[Mapping[str, Any]], Sequence[str]]:
        return [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}], ()

    everybody = chain.Always(chain.ALLOWED)
    return Guard([chain.InProcessAuthenticator()], everybody, rules_for, review, admission)
