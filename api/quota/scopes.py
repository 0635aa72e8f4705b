"""Which objects a quota is about: its scopes and scope selector.

Source: Kubernetes "Resource Quotas", Quota scopes; pkg/quota/v1/evaluator/core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.core.v1.pod_qos import qos_class

Obj = dict[str, Any]


def is_in_scope(quota: Obj, plural: str, obj: Obj) -> bool:
    """`plural` of the core group or "" for any other kind; only pods and claims have scopes."""
    return all(_matches(each, plural, obj) for each in requirements(quota))


def requirements(quota: Obj) -> Iterator[Obj]:
    spec = quota.get("spec") or {}
    for scope in spec.get("scopes") or ():
        yield {"scopeName": scope, "operator": "Exists"}
    yield from (spec.get("scopeSelector") or {}).get("matchExpressions") or ()


def _matches(requirement: Obj, plural: str, obj: Obj) -> bool:
    scope, spec = requirement.get("scopeName"), obj.get("spec") or {}
    if plural == "persistentvolumeclaims":
        if scope != "VolumeAttributesClass":
            return False
        return _selects(requirement, spec.get("volumeAttributesClassName") or "")
    if plural != "pods":
        return False
    match scope:
        case "Terminating":
            return _is_terminating(spec)
        case "NotTerminating":
            return not _is_terminating(spec)
        case "BestEffort":
            return qos_class(spec) == "BestEffort"
        case "NotBestEffort":
            return qos_class(spec) != "BestEffort"
        case "PriorityClass":
            return _selects(requirement, spec.get("priorityClassName") or "")
        case "CrossNamespacePodAffinity":
            return crosses_namespaces(spec)
    return False


def _is_terminating(spec: Obj) -> bool:
    deadline = spec.get("activeDeadlineSeconds")
    return deadline is not None and int(deadline) >= 0


def _selects(requirement: Obj, value: str) -> bool:
    values = requirement.get("values") or ()
    match requirement.get("operator"):
        case "In":
            return bool(value) and value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return bool(value)
        case "DoesNotExist":
            return not value
    return False


def crosses_namespaces(spec: Obj) -> bool:
    """Whether a pod's affinity looks at pods of other namespaces."""
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        terms += [
            each.get("podAffinityTerm") or {}
            for each in rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False
