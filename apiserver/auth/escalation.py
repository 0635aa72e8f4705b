"""Nobody may give away more than they have: the check behind every write of a role or binding.

A role may be written by whoever holds all its rules, or the verb `escalate` on it; a binding by
whoever holds the rules of the role it names, or the verb `bind` on that role. system:masters always.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.auth.chain import MASTERS
from apiserver.auth.rbac import RBACAuthorizer
from apiserver.auth.rules import PolicyRule, describe, uncovered
from apiserver.auth.seams import Authorizer, decide
from apiserver.auth.user import Attributes, User
from apiserver.storage.store import Obj
from machinery.errors import Forbidden, not_found

RBAC_GROUP = "rbac.authorization.k8s.io"


class EscalationCheck:
    """`authorizer` is asked for the verbs, `rbac` for the rules a user holds."""

    def __init__(self, rbac: RBACAuthorizer, authorizer: Authorizer) -> None:
        self._rbac = rbac
        self._authorizer = authorizer

    async def check_role(self, user: User, plural: str, namespace: str, name: str, obj: Obj) -> None:
        """`plural` is roles or clusterroles. Raises Forbidden."""
        if await self._may(user, "escalate", plural, namespace, name):
            return
        wanted = list(obj.get("rules") or ())
        if obj.get("aggregationRule") and plural == "clusterroles":
            everything = [
                {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
                {"verbs": ["*"], "nonResourceURLs": ["*"]},
            ]
            wanted += everything
        self._refuse_missing(user, plural, namespace, name, wanted)

    async def check_binding(self, user: User, plural: str, namespace: str, name: str, obj: Obj) -> None:
        """`plural` is rolebindings or clusterrolebindings. Raises Forbidden; NotFound for an absent role."""
        ref = obj.get("roleRef") or {}
        role_plural = "roles" if ref.get("kind") == "Role" else "clusterroles"
        scope = namespace if role_plural == "roles" else ""
        if await self._may(user, "bind", role_plural, namespace, ref.get("name", "")):
            return
        if not self._rbac.has_role(scope, ref.get("name", "")):
            raise not_found(RBAC_GROUP, role_plural, ref.get("name", ""))
        self._refuse_missing(user, plural, namespace, name, self._rbac.role_rules(scope, ref["name"]))

    async def _may(self, user: User, verb: str, plural: str, namespace: str, name: str) -> bool:
        if MASTERS in user.groups:
            return True
        where = "" if plural == "clusterroles" and verb == "escalate" else namespace
        attributes = Attributes(user, verb, RBAC_GROUP, "v1", plural, namespace=where, name=name)
        return (await decide(self._authorizer, attributes)).allowed

    def _refuse_missing(
        self, user: User, plural: str, namespace: str, name: str, wanted: Sequence[PolicyRule]
    ) -> None:
        missing = uncovered(self._rbac.rules_for(user, namespace), wanted)
        if not missing:
            return
        groups = ", ".join(f'"{group}"' for group in user.groups)
        shown = "\n".join(describe(rule) for rule in missing)
        raise Forbidden(
            f'{plural}.{RBAC_GROUP} "{name}" is forbidden: user "{user.name}" (groups=[{groups}]) is attempting to '
            f"grant RBAC permissions not currently held:\n{shown}",
            group=RBAC_GROUP,
            kind=plural,
            name=name,
        )
