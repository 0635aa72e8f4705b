"""Audit policy: how much of which request is told, as a file of kind Policy says or, without one, as `DEFAULT` does.

The first rule that fits a request decides; none fitting tells nothing. What was decided is remembered by the parts of a
request that rules look at, so that a request costs one look-up.

Source: Kubernetes "Auditing", audit.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from apiserver.auth.user import User
from apiserver.http.request_info import RequestInfo
from machinery import field_errors
from machinery.errors import Cause, invalid
from machinery.short_texts import LONGEST_CHARS

Obj = Mapping[str, Any]
Level = Literal["None", "Metadata", "Request", "RequestResponse"]
LEVELS: tuple[Level, ...] = ("None", "Metadata", "Request", "RequestResponse")
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
API_VERSIONS = ("audit.k8s.io/v1",)
SHAPE = {
    "apiVersion": str,
    "kind": str,
    "metadata": None,
    "omitStages": [str],
    "omitManagedFields": bool,
    "rules": [
        {
            "level": str,
            "users": [str],
            "userGroups": [str],
            "verbs": [str],
            "resources": [{"group": str, "resources": [str], "resourceNames": [str]}],
            "namespaces": [str],
            "nonResourceURLs": [str],
            "omitStages": [str],
            "omitManagedFields": bool,
        }
    ],
}
_REMEMBERED = 8192
_READS = frozenset({"get", "list", "watch"})
_SENSITIVE = frozenset({"secrets", "tokenreviews"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is told of a request."""

    level: Level
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


SILENT = Verdict("None")
_METADATA = Verdict("Metadata", frozenset({"RequestReceived", "ResponseStarted"}))


class Policy(Protocol):
    """`is_early`: whether anything may be told before a request's end."""

    is_early: bool

    def verdict(self, user: User, info: RequestInfo, code: int) -> Verdict:
        """`code` is that of the answer, 0 while there is none."""
        ...


class DefaultPolicy:
    """Metadata of what changed something, was refused, or read a secret. Heartbeats would drown everything else."""

    is_early = False

    def verdict(self, user: User, info: RequestInfo, code: int) -> Verdict:
        return _METADATA if is_worth(info, code) else SILENT


def is_worth(info: RequestInfo, code: int) -> bool:
    if code in (401, 403):
        return True
    if not info.is_resource:
        return False
    if info.verb in _READS:
        return info.resource in _SENSITIVE
    return info.resource not in ("leases", "events")


@dataclass(frozen=True, slots=True)
class Rule:
    verdict: Verdict
    users: frozenset[str]
    groups: frozenset[str]
    verbs: frozenset[str]
    namespaces: frozenset[str]
    resources: tuple[tuple[str, frozenset[str], frozenset[str]], ...]  # (group, resources, names)
    urls: tuple[str, ...]

    def fits(self, user: User, info: RequestInfo) -> bool:
        if self.users and user.name not in self.users:
            return False
        if self.groups and self.groups.isdisjoint(user.groups):
            return False
        if self.verbs and info.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            return info.is_resource and self._fits_resource(info)
        if self.urls:
            return not info.is_resource and any(_covers(url, info.path) for url in self.urls)
        return True

    def _fits_resource(self, info: RequestInfo) -> bool:
        if self.namespaces and info.namespace not in self.namespaces:
            return False
        if not self.resources:
            return True
        wanted = {"*", info.resource}
        if info.subresource:
            wanted = {
                "*",
                f"{info.resource}/{info.subresource}",
                f"{info.resource}/*",
                f"*/{info.subresource}",
            }
        return any(
            group == info.group and (not plurals or plurals & wanted) and (not names or info.name in names)
            for group, plurals, names in self.resources
        )


def _covers(pattern: str, path: str) -> bool:
    if pattern == "*":
        return True
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


class RulePolicy:
    is_early = True

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self._by_name = any(names for rule in rules for _, _, names in rule.resources)
        self._known: dict[tuple[Any, ...], Verdict] = {}
        self.is_early = any(
            rule.verdict.level != "None"
            and not {"RequestReceived", "ResponseStarted"} <= rule.verdict.omit_stages
            for rule in rules
        )

    def verdict(self, user: User, info: RequestInfo, code: int) -> Verdict:
        name = info.name if self._by_name else ""
        place = (info.group, info.resource, info.subresource, info.namespace, name)
        asked = (user.name, user.groups, info.verb, *(place if info.is_resource else (info.path,)))
        known = self._known.get(asked)
        if known is None:
            fitting = (rule.verdict for rule in self._rules if rule.fits(user, info))
            known = next(fitting, SILENT)
            if (
                len(info.path) <= LONGEST_CHARS
            ):  # anybody may ask for any path, and is judged before it is refused
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[asked] = known
        return known


def parse_policy(obj: Obj) -> RulePolicy:
    """Raises Invalid."""
    causes = check_policy(obj)
    if causes:
        raise invalid("audit.k8s.io", "Policy", "", causes)
    everywhere = frozenset(obj.get("omitStages") or ())
    managed = bool(obj.get("omitManagedFields"))
    return RulePolicy([_rule(rule, everywhere, managed) for rule in obj["rules"]])


def _rule(rule: Obj, omit_stages: frozenset[str], omit_managed: bool) -> Rule:
    def texts(name: str) -> frozenset[str]:
        return frozenset(rule.get(name) or ())

    own = rule.get("omitManagedFields")
    return Rule(
        Verdict(rule["level"], omit_stages | texts("omitStages"), omit_managed if own is None else own),
        texts("users"),
        texts("userGroups"),
        texts("verbs"),
        texts("namespaces"),
        tuple(
            (
                each.get("group", ""),
                frozenset(each.get("resources") or ()),
                frozenset(each.get("resourceNames") or ()),
            )
            for each in rule.get("resources") or ()
        ),
        tuple(rule.get("nonResourceURLs") or ()),
    )


def check_policy(obj: Obj) -> list[Cause]:
    if wrong := field_errors.wrong_kind(obj, ("Policy",), API_VERSIONS):
        return wrong
    if not obj.get("rules"):
        return [field_errors.required("rules", "loaded illegal policy with 0 rules")]
    causes = _check_stages(obj.get("omitStages") or (), "omitStages")
    for index, rule in enumerate(obj["rules"]):
        path = f"rules[{index}]"
        if not rule.get("level"):
            causes.append(field_errors.required(f"{path}.level"))
        elif rule["level"] not in LEVELS:
            causes.append(field_errors.not_supported(f"{path}.level", rule["level"], LEVELS))
        causes += _check_stages(rule.get("omitStages") or (), f"{path}.omitStages")
        urls = rule.get("nonResourceURLs") or ()
        if urls and (rule.get("resources") or rule.get("namespaces")):
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            causes.append(field_errors.invalid_value(f"{path}.nonResourceURLs", list(urls), detail))
        for number, url in enumerate(urls):
            at = f"{path}.nonResourceURLs[{number}]"
            if url == "*":
                continue
            if not url.startswith("/"):
                detail = "non-resource URL rules must begin with a '/' character"
                causes.append(field_errors.invalid_value(at, url, detail))
            if "*" in url[:-1]:
                detail = "non-resource URL wildcards '*' must be the final character of the rule"
                causes.append(field_errors.invalid_value(at, url, detail))
        for number, each in enumerate(rule.get("resources") or ()):
            if each.get("resourceNames") and not each.get("resources"):
                at, detail = (
                    f"{path}.resources[{number}].resourceNames",
                    "using resourceNames requires at least one resource",
                )
                causes.append(field_errors.invalid_value(at, each["resourceNames"], detail))
    return causes


def _check_stages(stages: Sequence[str], path: str) -> list[Cause]:
    return [
        field_errors.not_supported(f"{path}[{index}]", stage, STAGES)
        for index, stage in enumerate(stages)
        if stage not in STAGES
    ]
