"""RBAC's PolicyRule: whether it allows a request, and whether some rules cover others.

Source: Kubernetes "Using RBAC Authorization"; the covering check is that of privilege escalation
prevention: every single (verb, group, resource, name) asked for must be held by one rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

PolicyRule = Mapping[str, Any]
_ALL = frozenset({"*"})


@dataclass(frozen=True, slots=True)
class Rule:
    """A PolicyRule made quick to ask. `names` empty: every name."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    urls: tuple[str, ...]

    def allows_resource(self, verb: str, group: str, resource: str, subresource: str) -> bool:
        """Whatever the name; see `names`."""
        if "*" not in self.verbs and verb not in self.verbs:
            return False
        if "*" not in self.groups and group not in self.groups:
            return False
        if "*" in self.resources:
            return True
        if not subresource:
            return resource in self.resources
        return f"{resource}/{subresource}" in self.resources or f"*/{subresource}" in self.resources

    def allows_path(self, verb: str, path: str) -> bool:
        if "*" not in self.verbs and verb not in self.verbs:
            return False
        return any(url_covers(url, path) for url in self.urls)


def compile_rules(rules: Iterable[PolicyRule]) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            frozenset(rule.get("verbs") or ()),
            frozenset(rule.get("apiGroups") or ()),
            frozenset(rule.get("resources") or ()),
            frozenset(rule.get("resourceNames") or ()),
            tuple(rule.get("nonResourceURLs") or ()),
        )
        for rule in rules
    )


def url_covers(pattern: str, path: str) -> bool:
    if pattern in ("*", path):
        return True
    return pattern.endswith("*") and path.startswith(pattern.rstrip("*"))


def uncovered(held: Sequence[PolicyRule], wanted: Sequence[PolicyRule]) -> list[PolicyRule]:
    """The single permissions of `wanted` that no rule of `held` grants, as rules."""
    rules = compile_rules(held)
    return [
        piece for rule in wanted for piece in _pieces(rule) if not any(_covers(has, piece) for has in rules)
    ]


def _pieces(rule: PolicyRule) -> Iterator[PolicyRule]:
    verbs = rule.get("verbs") or ()
    for verb, url in product(verbs, rule.get("nonResourceURLs") or ()):
        yield {"verbs": [verb], "nonResourceURLs": [url]}
    each = product(verbs, rule.get("apiGroups") or (), rule.get("resources") or ())
    names = rule.get("resourceNames") or ()
    for verb, group, resource in each:
        piece = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
        if names:
            for name in names:
                yield {**piece, "resourceNames": [name]}
        else:
            yield piece


def _covers(held: Rule, piece: PolicyRule) -> bool:
    (verb,) = piece["verbs"]
    if "*" not in held.verbs and verb not in held.verbs:
        return False
    if "nonResourceURLs" in piece:
        (url,) = piece["nonResourceURLs"]
        return any(url_covers(has, url) for has in held.urls)
    (group,) = piece["apiGroups"]
    (resource,) = piece["resources"]
    if "*" not in held.groups and group not in held.groups:
        return False
    _, slash, subresource = resource.partition("/")
    if not held.resources & {"*", resource} and not (slash and f"*/{subresource}" in held.resources):
        return False
    return not held.names or set(piece.get("resourceNames") or _ALL) <= held.names


def describe(rule: PolicyRule) -> str:
    """In upstream's notation: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`."""
    shown = (
        ("APIGroups", "apiGroups"),
        ("Resources", "resources"),
        ("ResourceNames", "resourceNames"),
        ("NonResourceURLs", "nonResourceURLs"),
        ("Verbs", "verbs"),
    )
    parts = []
    for title, key in shown:
        if rule.get(key):
            quoted = ", ".join(f'"{value}"' for value in rule[key])
            parts.append(f"{title}:[{quoted}]")
    return "{" + ", ".join(parts) + "}"
