"""RBAC: may this user do that, by the roles bound to them? Answered from memory, in a microsecond when asked again.

The roles and bindings come from their Stores, followed by `run`. Bindings are indexed by scope and
subject, so that an answer looks only at the user's own. What a user may do in a namespace is
remembered until any role or binding changes.

An aggregated ClusterRole grants its own rules and those of every ClusterRole its selectors match,
at once, without waiting for anybody to copy them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.auth.rules import PolicyRule, Rule, compile_rules
from apiserver.auth.seams import Decision
from apiserver.auth.user import Attributes, User
from apiserver.storage.follow import Follower
from apiserver.storage.store import Obj, Store
from machinery.selectors.labels import label_selector_of

REMEMBERED = 20_000
_ACCOUNT = "system:serviceaccount:"
_CLUSTER = ""  # the scope of ClusterRoleBindings and ClusterRoles

Subject = tuple[str, str]  # ("User" | "Group", name)


@dataclass(frozen=True, slots=True)
class _Binding:
    scope: str
    name: str
    role: tuple[str, str]  # (namespace or "" for a ClusterRole, name)
    subjects: tuple[Subject, ...]


@dataclass(frozen=True, slots=True)
class _Grant:
    """What the rules say about one kind of request: for any name, or for some; each with its reason."""

    any_name: Decision | None
    names: Mapping[str, Decision]


class RBACAuthorizer:
    def __init__(
        self, *, roles: Store, role_bindings: Store, cluster_roles: Store, cluster_role_bindings: Store
    ) -> None:
        self._roles: dict[tuple[str, str], Obj] = {}
        self._bindings: dict[tuple[str, str], _Binding] = {}
        self._by_subject: dict[tuple[str, Subject], dict[str, _Binding]] = {}
        self._rules: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._grants: dict[tuple[Any, ...], _Grant] = {}
        self.generation = 0  # grows with every change of a role or binding
        self._followers = [
            Follower(roles, self._on_role),
            Follower(cluster_roles, self._on_role),
            Follower(role_bindings, self._on_binding),
            Follower(cluster_role_bindings, self._on_binding),
        ]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for follower in self._followers:
                group.create_task(follower.run())

    async def wait_synced(self) -> None:
        for follower in self._followers:
            await follower.synced.wait()

    def authorize(self, attributes: Attributes) -> Decision:
        user = attributes.user
        asked = (
            user.name,
            user.groups,
            attributes.verb,
            attributes.group,
            attributes.resource,
            attributes.subresource,
            attributes.namespace,
            attributes.path,
        )
        grant = self._grants.get(asked)
        if grant is None:
            grant = self._grant(attributes)
            if len(self._grants) >= REMEMBERED:
                self._grants.clear()
            self._grants[asked] = grant
        allowed = grant.any_name or grant.names.get(attributes.name)
        if allowed is not None:
            return allowed
        missing = self._missing_roles(user, attributes.namespace)
        return Decision(False, f"RBAC: {', '.join(missing)}" if missing else "")

    def rules_for(self, user: User, namespace: str) -> list[PolicyRule]:
        """Every rule that holds for the user in the namespace, for SelfSubjectRulesReview and escalation checks."""
        return [
            rule
            for binding, _ in self._bindings_of(user, namespace)
            for rule in self.role_rules(*binding.role)
        ]

    def role_rules(self, namespace: str, name: str) -> list[PolicyRule]:
        """A Role's rules, or a ClusterRole's (namespace "") with what it aggregates; [] where there is none."""
        return list(self._collect((namespace, name), set()))

    def has_role(self, namespace: str, name: str) -> bool:
        return (namespace, name) in self._roles

    def _grant(self, attributes: Attributes) -> _Grant:
        names: dict[str, Decision] = {}
        for binding, subject in self._bindings_of(attributes.user, attributes.namespace):
            for rule in self._compiled(binding.role):
                if attributes.path:
                    if binding.scope == _CLUSTER and rule.allows_path(attributes.verb, attributes.path):
                        return _Grant(_allowed_by(binding, subject), {})
                elif rule.allows_resource(
                    attributes.verb, attributes.group, attributes.resource, attributes.subresource
                ):
                    if not rule.names:
                        return _Grant(_allowed_by(binding, subject), {})
                    for name in rule.names - names.keys():
                        names[name] = _allowed_by(binding, subject)
        return _Grant(None, names)

    def _bindings_of(self, user: User, namespace: str) -> Iterator[tuple[_Binding, Subject]]:
        """The user's bindings, each with the subject by which it is theirs."""
        subjects: list[Subject] = [("User", user.name), *(("Group", group) for group in user.groups)]
        for scope in (_CLUSTER, namespace) if namespace else (_CLUSTER,):
            for subject in subjects:
                for binding in self._by_subject.get((scope, subject), {}).values():
                    yield binding, subject

    def _missing_roles(self, user: User, namespace: str) -> list[str]:
        missing = []
        for binding, _ in self._bindings_of(user, namespace):
            if binding.role not in self._roles:
                kind = "role" if binding.role[0] else "clusterrole"
                missing.append(f'{kind}.rbac.authorization.k8s.io "{binding.role[1]}" not found')
        return sorted(set(missing))

    def _compiled(self, role: tuple[str, str]) -> tuple[Rule, ...]:
        rules = self._rules.get(role)
        if rules is None:
            rules = self._rules[role] = compile_rules(self._collect(role, set()))
        return rules

    def _collect(self, role: tuple[str, str], seen: set[tuple[str, str]]) -> Iterator[PolicyRule]:
        obj = self._roles.get(role)
        if obj is None or role in seen:
            return
        seen.add(role)
        yield from obj.get("rules") or ()
        for selector in (obj.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
            requirement = label_selector_of(selector)
            for other, other_obj in sorted(self._roles.items(), key=lambda item: item[0]):
                if not other[0] and requirement.matches(other_obj["metadata"].get("labels") or {}):
                    yield from self._collect(other, seen)

    def _on_role(self, namespace: str, name: str, obj: Obj | None) -> None:
        if obj is None:
            self._roles.pop((namespace, name), None)
        else:
            self._roles[namespace, name] = obj
        self._changed()

    def _on_binding(self, namespace: str, name: str, obj: Obj | None) -> None:
        old = self._bindings.pop((namespace, name), None)
        if old is not None:
            for subject in old.subjects:
                self._by_subject[old.scope, subject].pop(old.name, None)
        if obj is not None:
            ref = obj["roleRef"]
            role = (namespace if ref["kind"] == "Role" else "", ref["name"])
            binding = _Binding(namespace, name, role, tuple(_subjects(obj.get("subjects") or (), namespace)))
            self._bindings[namespace, name] = binding
            for subject in binding.subjects:
                self._by_subject.setdefault((namespace, subject), {})[name] = binding
        self._changed()

    def _changed(self) -> None:
        self.generation += 1
        self._rules.clear()
        self._grants.clear()


def _allowed_by(binding: _Binding, subject: Subject) -> Decision:
    """In upstream's words: what audit events and access reviews tell."""
    kind, name = subject
    account = name.removeprefix(_ACCOUNT).partition(":") if name.startswith(_ACCOUNT) else None
    who = f'ServiceAccount "{account[2]}/{account[0]}"' if kind == "User" and account else f'{kind} "{name}"'
    where = (
        f'RoleBinding "{binding.name}/{binding.scope}"'
        if binding.scope
        else f'ClusterRoleBinding "{binding.name}"'
    )
    role = "Role" if binding.role[0] else "ClusterRole"
    return Decision(True, f'RBAC: allowed by {where} of {role} "{binding.role[1]}" to {who}')


def _subjects(subjects: Iterable[Mapping[str, Any]], namespace: str) -> Iterator[Subject]:
    for subject in subjects:
        if subject["kind"] == "ServiceAccount":
            where = subject.get("namespace") or namespace
            yield "User", f"{_ACCOUNT}{where}:{subject['name']}"
        else:
            yield subject["kind"], subject["name"]
