"""A short notation for RBAC objects, in which the built-in policy is written.

rule("get list", "core apps", "pods deployments")     "core" is the group with the empty name
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Obj = dict[str, Any]
API_VERSION = "rbac.authorization.k8s.io/v1"
API_GROUP = "rbac.authorization.k8s.io"
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}

READ = "get list watch"
WRITE = "create delete deletecollection patch update"
READ_WRITE = f"{WRITE} {READ}"


def rule(verbs: str, groups: str, resources: str, names: str = "") -> Obj:
    made: Obj = {
        "verbs": verbs.split(),
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
    }
    if names:
        made["resourceNames"] = names.split()
    return made


def path_rule(verbs: str, paths: str) -> Obj:
    return {"verbs": verbs.split(), "nonResourceURLs": paths.split()}


EVENTS = rule("create patch update", "core events.k8s.io", "events")


def cluster_role(
    name: str, rules: Sequence[Obj], *, labels: Mapping[str, str] | None = None, aggregates: str = ""
) -> Obj:
    """`aggregates`: the word of the aggregate-to-… label whose ClusterRoles are taken in."""
    made = _named("ClusterRole", name, labels)
    if aggregates:
        match = {f"rbac.authorization.k8s.io/aggregate-to-{aggregates}": "true"}
        made["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": match}]}
    made["rules"] = list(rules)
    return made


def role(namespace: str, name: str, rules: Sequence[Obj]) -> Obj:
    made = _named("Role", name)
    made["metadata"]["namespace"] = namespace
    made["rules"] = list(rules)
    return made


def cluster_role_binding(name: str, role_name: str, subjects: Iterable[Obj]) -> Obj:
    made = _named("ClusterRoleBinding", name)
    made["subjects"] = list(subjects)
    made["roleRef"] = {"apiGroup": API_GROUP, "kind": "ClusterRole", "name": role_name}
    return made


def role_binding(namespace: str, name: str, role_name: str, subjects: Iterable[Obj]) -> Obj:
    made = _named("RoleBinding", name)
    made["metadata"]["namespace"] = namespace
    made["subjects"] = list(subjects)
    made["roleRef"] = {"apiGroup": API_GROUP, "kind": "Role", "name": role_name}
    return made


def user(name: str) -> Obj:
    return {"kind": "User", "apiGroup": API_GROUP, "name": name}


def group(name: str) -> Obj:
    return {"kind": "Group", "apiGroup": API_GROUP, "name": name}


def account(name: str, namespace: str = "kube-system") -> Obj:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def _named(kind: str, name: str, labels: Mapping[str, str] | None = None) -> Obj:
    metadata: Obj = {
        "name": name,
        "labels": {**LABELS, **(labels or {})},
        "annotations": {AUTOUPDATE: "true"},
    }
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata}
