"""Which flow schema a request belongs to: the first that matches, by matchingPrecedence, then by name.

Schemas are compiled once per configuration. Who asks narrows them down to a few candidates, which are kept per
caller, so that a request costs a dictionary lookup and the rules of those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from api.resource import Obj
from apiserver.auth.user import User
from apiserver.http.request_info import RequestInfo

_KEPT_CALLERS = 4096
_ACCOUNT = "system:serviceaccount:"

Matches = Callable[[RequestInfo], bool]
Rules = Sequence[Matches]


@dataclass(frozen=True, slots=True)
class Schema:
    """A FlowSchema as it is asked. `distinguisher` is "", "ByUser" or "ByNamespace"."""

    name: str
    uid: str
    level: str
    precedence: int
    distinguisher: str
    # who, their requests for resources, for other paths
    rules: tuple[tuple[Callable[[User], bool], Rules, Rules], ...]

    def flow_of(self, user: User, info: RequestInfo) -> str:
        """What tells this request's flow from others of the same schema."""
        if self.distinguisher == "ByUser":
            return user.name
        return info.namespace if self.distinguisher == "ByNamespace" else ""


_Candidates = Sequence[tuple[Schema, Matches]]


class Classifier:
    """Fixed once made: a new configuration makes a new one."""

    def __init__(self, schemas: Iterable[Schema]) -> None:
        self.schemas = sorted(schemas, key=lambda each: (each.precedence, each.name))
        self._callers: dict[tuple[str, tuple[str, ...]], tuple[_Candidates, _Candidates]] = {}

    def find(self, user: User, info: RequestInfo) -> Schema | None:
        """None where nothing matches: only a caller without any group, as catch-all takes everybody with one."""
        key = (user.name, user.groups)
        candidates = self._callers.get(key)
        if candidates is None:
            if len(self._callers) >= _KEPT_CALLERS:
                self._callers.clear()
            candidates = self._callers[key] = self._candidates(user)
        for schema, matches in candidates[0 if info.is_resource else 1]:
            if matches is _everything or matches(info):
                return schema
        return None

    def _candidates(self, user: User) -> tuple[_Candidates, _Candidates]:
        resources: list[tuple[Schema, Matches]] = []
        paths: list[tuple[Schema, Matches]] = []
        for schema in self.schemas:
            for is_subject, of_resources, of_paths in schema.rules:
                if is_subject(user):
                    resources += ((schema, each) for each in of_resources)
                    paths += ((schema, each) for each in of_paths)
        return resources, paths


def _everything(info: RequestInfo) -> bool:
    return True


def compile_schema(obj: Obj) -> Schema:
    spec = obj["spec"]
    return Schema(
        name=obj["metadata"]["name"],
        uid=obj["metadata"].get("uid", ""),
        level=spec["priorityLevelConfiguration"]["name"],
        precedence=spec.get("matchingPrecedence", 1000),
        distinguisher=(spec.get("distinguisherMethod") or {}).get("type", ""),
        rules=tuple(
            (
                _subjects(rule),
                [_resource_rule(each) for each in rule.get("resourceRules") or ()],
                [_path_rule(each) for each in rule.get("nonResourceRules") or ()],
            )
            for rule in spec.get("rules") or ()
        ),
    )


def _subjects(rule: Obj) -> Callable[[User], bool]:
    users, groups, anybody = set(), set(), False
    prefixes: list[str] = []
    for subject in rule.get("subjects") or ():
        if subject["kind"] == "User":
            users.add(subject["user"]["name"])
        elif subject["kind"] == "Group":
            groups.add(subject["group"]["name"])
        else:
            account = subject["serviceAccount"]
            whole = f"{_ACCOUNT}{account['namespace']}:"
            if account["name"] == "*":
                prefixes.append(whole)
            else:
                users.add(whole + account["name"])
    anybody = "*" in users or "*" in groups
    starts = tuple(prefixes)

    def is_subject(user: User) -> bool:
        return (
            anybody
            or user.name in users
            or not groups.isdisjoint(user.groups)
            or user.name.startswith(starts)
        )

    return is_subject


def _resource_rule(rule: Obj) -> Matches:
    verbs, groups, resources, namespaces = (
        frozenset(rule.get(key) or ()) for key in ("verbs", "apiGroups", "resources", "namespaces")
    )
    any_verb, any_group, any_resource, any_namespace = (
        "*" in each for each in (verbs, groups, resources, namespaces)
    )
    cluster = bool(rule.get("clusterScope"))
    if any_verb and any_group and any_resource and any_namespace and cluster:
        return _everything

    def matches(info: RequestInfo) -> bool:
        if not (any_verb or info.verb in verbs) or not (any_group or info.group in groups):
            return False
        if not any_resource:
            resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
            if resource not in resources:
                return False
        if not info.namespace:
            return cluster
        return any_namespace or info.namespace in namespaces

    return matches


def _path_rule(rule: Obj) -> Matches:
    verbs, urls = frozenset(rule.get("verbs") or ()), rule.get("nonResourceURLs") or ()
    any_verb, any_path = "*" in verbs, "*" in urls
    if any_verb and any_path:
        return _everything
    exact = frozenset(urls)
    prefixes = tuple(url[:-1] for url in urls if url.endswith("/*"))

    def matches(info: RequestInfo) -> bool:
        if not (any_verb or info.verb in verbs):
            return False
        return any_path or info.path in exact or info.path.startswith(prefixes)

    return matches
