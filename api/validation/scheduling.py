"""Where a pod may run: node selectors, affinity, tolerations, spreading.

Source: Kubernetes "Assigning Pods to Nodes", "Taints and Tolerations", "Pod Topology Spread Constraints".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.validation.errors import Errors
from machinery import names
from machinery.selectors.labels import validate_label_selector

Obj = dict[str, Any]

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_NODE_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")


def validate_affinity(errors: Errors, affinity: Obj | None, path: str) -> None:
    if not affinity:
        return
    _validate_node_affinity(errors, affinity.get("nodeAffinity") or {}, f"{path}.nodeAffinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        _validate_pod_affinity(errors, affinity.get(kind) or {}, f"{path}.{kind}")


def _validate_node_affinity(errors: Errors, affinity: Obj, path: str) -> None:
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is not None:
        validate_node_terms(errors, required, f"{path}.requiredDuringSchedulingIgnoredDuringExecution")
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    for index, each in enumerate(preferred):
        at = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        _validate_weight(errors, each.get("weight", 0), f"{at}.weight")
        _validate_node_term(errors, each.get("preference") or {}, f"{at}.preference")


def validate_node_terms(errors: Errors, selector: Obj, path: str) -> None:
    """A NodeSelector: terms of which one must hold."""
    at, terms = f"{path}.nodeSelectorTerms", selector.get("nodeSelectorTerms") or []
    if not terms:
        errors.required(at, "must have at least one node selector term")
    for index, term in enumerate(terms):
        _validate_node_term(errors, term, f"{at}[{index}]")


def _validate_weight(errors: Errors, weight: int, path: str) -> None:
    if not 1 <= weight <= 100:
        errors.invalid(path, weight, "must be in the range 1-100")


def _validate_node_term(errors: Errors, term: Obj, path: str) -> None:
    for index, each in enumerate(term.get("matchExpressions") or ()):
        at = f"{path}.matchExpressions[{index}]"
        _validate_node_requirement(errors, each, at)
        errors.invalid_each(f"{at}.key", each.get("key", ""), names.qualified_name(each.get("key", "")))
    for index, each in enumerate(term.get("matchFields") or ()):
        at, values = f"{path}.matchFields[{index}]", each.get("values") or []
        if each.get("operator") not in ("In", "NotIn"):
            errors.invalid(f"{at}.operator", each.get("operator", ""), "not a valid selector operator")
        elif len(values) != 1:
            message = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            errors.required(f"{at}.values", message)
        if each.get("key") != "metadata.name":
            errors.invalid(f"{at}.key", each.get("key", ""), "not a valid field selector key")
        for position, value in enumerate(values):
            errors.invalid_each(f"{at}.values[{position}]", value, names.dns1123_subdomain(value))


def _validate_node_requirement(errors: Errors, requirement: Obj, path: str) -> None:
    operator, values = requirement.get("operator", ""), requirement.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            errors.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            message = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.forbidden(f"{path}.values", message)
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            errors.required(
                f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'"
            )
    else:
        errors.invalid(f"{path}.operator", operator, "not a valid selector operator")
    for index, value in enumerate(values):
        errors.invalid_each(f"{path}.values[{index}]", value, names.label_value(value))


def validate_node_selector(errors: Errors, selector: dict[str, str] | None, path: str) -> None:
    errors.causes += names.labels(selector or {}, path)


def _validate_pod_affinity(errors: Errors, affinity: Obj, path: str) -> None:
    for index, term in enumerate(affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()):
        at = f"{path}.requiredDuringSchedulingIgnoredDuringExecution[{index}]"
        _validate_pod_term(errors, term, at)
    for index, each in enumerate(affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
        at = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        _validate_weight(errors, each.get("weight", 0), f"{at}.weight")
        _validate_pod_term(errors, each.get("podAffinityTerm") or {}, f"{at}.podAffinityTerm")


def _validate_pod_term(errors: Errors, term: Obj, path: str) -> None:
    errors.causes += validate_label_selector(term.get("labelSelector"), f"{path}.labelSelector")
    errors.causes += validate_label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for index, namespace in enumerate(term.get("namespaces") or ()):
        errors.invalid_each(f"{path}.namespaces[{index}]", namespace, names.dns1123_label(namespace))
    keys = set(term.get("matchLabelKeys") or ())
    for field in ("matchLabelKeys", "mismatchLabelKeys"):
        for index, key in enumerate(term.get(field) or ()):
            at = f"{path}.{field}[{index}]"
            errors.invalid_each(at, key, names.qualified_name(key))
            if not term.get("labelSelector"):
                errors.forbidden(f"{path}.{field}", "must not be specified when labelSelector is not set")
            if field == "mismatchLabelKeys" and key in keys:
                errors.invalid(at, key, "exists in both matchLabelKeys and mismatchLabelKeys")
    topology = term.get("topologyKey", "")
    if not topology:
        errors.required(f"{path}.topologyKey", "can not be empty")
    errors.invalid_each(f"{path}.topologyKey", topology, names.qualified_name(topology) if topology else ())


def validate_tolerations(errors: Errors, tolerations: Iterable[Obj] | None, path: str) -> None:
    for index, each in enumerate(tolerations or ()):
        at, key, operator = f"{path}[{index}]", each.get("key", ""), each.get("operator", "")
        if key:
            errors.invalid_each(f"{at}.key", key, names.qualified_name(key))
        elif operator != "Exists":
            message = (
                'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            )
            errors.invalid(f"{at}.operator", operator, message)
        if each.get("tolerationSeconds") is not None and each.get("effect") != "NoExecute":
            message = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.invalid(f"{at}.effect", each.get("effect", ""), message)
        value = each.get("value", "")
        if operator in ("Equal", ""):
            errors.invalid_each(f"{at}.operator", value, names.label_value(value))
        elif operator == "Exists":
            if value:
                errors.invalid(f"{at}.operator", value, "value must be empty when `operator` is 'Exists'")
        else:
            errors.not_supported(f"{at}.operator", operator, ("Equal", "Exists"))
        errors.one_of(f"{at}.effect", each.get("effect"), TAINT_EFFECTS)


def validate_spread(errors: Errors, constraints: Iterable[Obj] | None, path: str) -> None:
    seen = set()
    for index, each in enumerate(constraints or ()):
        at = f"{path}[{index}]"
        if each.get("maxSkew", 0) <= 0:
            errors.invalid(f"{at}.maxSkew", each.get("maxSkew", 0), "must be greater than zero")
        topology, action = each.get("topologyKey", ""), each.get("whenUnsatisfiable", "")
        if not topology:
            errors.required(f"{at}.topologyKey", "can not be empty")
        else:
            errors.invalid_each(f"{at}.topologyKey", topology, names.qualified_name(topology))
        actions = ("DoNotSchedule", "ScheduleAnyway")
        if action not in actions:
            errors.not_supported(f"{at}.whenUnsatisfiable", action, actions)
        if (topology, action) in seen:
            errors.duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{topology}, {action}}}")
        seen.add((topology, action))
        if each.get("minDomains") is not None:
            if each["minDomains"] <= 0:
                errors.invalid(f"{at}.minDomains", each["minDomains"], "must be greater than zero")
            if action != "DoNotSchedule":
                message = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                errors.invalid(f"{at}.minDomains", each["minDomains"], message)
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            errors.one_of(f"{at}.{field}", each.get(field), ("Honor", "Ignore"))
        errors.causes += validate_label_selector(each.get("labelSelector"), f"{at}.labelSelector")


def validate_taints(errors: Errors, taints: Iterable[Obj] | None, path: str) -> None:
    """The taints of a node."""
    seen = set()
    for index, taint in enumerate(taints or ()):
        at, key = f"{path}[{index}]", taint.get("key", "")
        errors.invalid_each(f"{at}.key", key, names.qualified_name(key))
        errors.invalid_each(f"{at}.value", taint.get("value", ""), names.label_value(taint.get("value", "")))
        errors.one_of(f"{at}.effect", taint.get("effect"), TAINT_EFFECTS, required=True)
        if (key, taint.get("effect")) in seen:
            errors.duplicate(at, taint)
        seen.add((key, taint.get("effect")))
