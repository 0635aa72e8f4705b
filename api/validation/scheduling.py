"""What a pod asks of the scheduler: affinity, tolerations, spreading; and the taints of nodes.

Source: Kubernetes "Assigning Pods to Nodes", "Taints and Tolerations", "Pod Topology Spread Constraints".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.validation.errors import Errors
from api.validation.pod_options import TEMPLATE, PodOptions
from machinery import names
from machinery.selectors.labels import validate_label_selector

Obj = dict[str, Any]

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def validate_affinity(
    errors: Errors, affinity: Obj | None, path: str, options: PodOptions = TEMPLATE
) -> None:
    if not affinity:
        return
    _validate_node_affinity(errors, affinity.get("nodeAffinity") or {}, f"{path}.nodeAffinity", options)
    for kind in ("podAffinity", "podAntiAffinity"):
        _validate_pod_affinity(errors, affinity.get(kind) or {}, f"{path}.{kind}", options)


def _validate_node_affinity(errors: Errors, affinity: Obj, path: str, options: PodOptions) -> None:
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is not None:
        at = f"{path}.requiredDuringSchedulingIgnoredDuringExecution"
        validate_node_terms(errors, required, at, odd_values=options.odd_node_values)
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    for index, each in enumerate(preferred):
        at = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        _validate_weight(errors, each.get("weight", 0), f"{at}.weight")
        _validate_node_term(errors, each.get("preference") or {}, f"{at}.preference", odd_values=True)


def validate_node_terms(errors: Errors, selector: Obj, path: str, *, odd_values: bool = False) -> None:
    """A NodeSelector: terms of which one must hold. `odd_values` need not be labels' values."""
    at, terms = f"{path}.nodeSelectorTerms", selector.get("nodeSelectorTerms") or []
    if not terms:
        errors.required(at, "must have at least one node selector term")
    for index, term in enumerate(terms):
        _validate_node_term(errors, term, f"{at}[{index}]", odd_values=odd_values)


def _validate_weight(errors: Errors, weight: int, path: str) -> None:
    if not 1 <= weight <= 100:
        errors.invalid(path, weight, "must be in the range 1-100")


def _validate_node_term(errors: Errors, term: Obj, path: str, *, odd_values: bool) -> None:
    for index, each in enumerate(term.get("matchExpressions") or ()):
        _validate_node_requirement(errors, each, f"{path}.matchExpressions[{index}]", odd_values)
    for index, each in enumerate(term.get("matchFields") or ()):
        at, values = f"{path}.matchFields[{index}]", each.get("values") or []
        if each.get("operator") not in ("In", "NotIn"):
            errors.invalid(f"{at}.operator", each.get("operator", ""), "not a valid selector operator")
        elif len(values) != 1:
            message = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            errors.required(f"{at}.values", message)
        if each.get("key") != "metadata.name":
            errors.invalid(f"{at}.key", each.get("key", ""), "not a valid field selector key")
            continue
        for position, value in enumerate(values):
            errors.invalid_each(f"{at}.values[{position}]", value, names.dns1123_subdomain(value))


def _validate_node_requirement(errors: Errors, requirement: Obj, path: str, odd_values: bool) -> None:
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
            message = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            errors.required(f"{path}.values", message)
    else:
        errors.invalid(f"{path}.operator", operator, "not a valid selector operator")
    key = requirement.get("key", "")
    errors.invalid_each(f"{path}.key", key, names.qualified_name(key))
    for index, value in enumerate(() if odd_values else values):
        errors.invalid_each(f"{path}.values[{index}]", value, names.label_value(value))


def validate_node_selector(errors: Errors, selector: dict[str, str] | None, path: str) -> None:
    errors.causes += names.labels(selector or {}, path)


def _validate_pod_affinity(errors: Errors, affinity: Obj, path: str, options: PodOptions) -> None:
    for index, term in enumerate(affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()):
        at = f"{path}.requiredDuringSchedulingIgnoredDuringExecution[{index}]"
        _validate_pod_term(errors, term, at, options)
    for index, each in enumerate(affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
        at = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        _validate_weight(errors, each.get("weight", 0), f"{at}.weight")
        _validate_pod_term(errors, each.get("podAffinityTerm") or {}, f"{at}.podAffinityTerm", options)


def _validate_pod_term(errors: Errors, term: Obj, path: str, options: PodOptions) -> None:
    for field in ("labelSelector", "namespaceSelector"):
        validate_selector(errors, term.get(field), f"{path}.{field}", odd_values=options.odd_selectors)
    for namespace in term.get("namespaces") or ():
        errors.invalid_each(f"{path}.namespace", namespace, names.dns1123_label(namespace))
    _validate_label_keys(errors, term, path)
    topology = term.get("topologyKey", "")
    if not topology:
        errors.required(f"{path}.topologyKey", "can not be empty")
    errors.invalid_each(f"{path}.topologyKey", topology, names.qualified_name(topology))


def validate_selector(errors: Errors, selector: Obj | None, path: str, *, odd_values: bool = False) -> None:
    """A label selector. `odd_values`: its expressions' values need not be labels' values."""
    for cause in validate_label_selector(selector, path):
        if not (odd_values and ".values[" in cause.field):
            errors.causes.append(cause)


def _validate_label_keys(errors: Errors, term: Obj, path: str) -> None:
    """matchLabelKeys, mismatchLabelKeys: keys of the pod's own labels, none of them in the selector as well.

    A new pod's selector has them already as expressions (`api/core/v1/label_keys.py`): there a key may stand once.
    """
    selector = term.get("labelSelector")
    match, mismatch = term.get("matchLabelKeys") or [], term.get("mismatchLabelKeys") or []
    for field, keys in (("matchLabelKeys", match), ("mismatchLabelKeys", mismatch)):
        if keys and selector is None:
            errors.forbidden(f"{path}.{field}", "must not be specified when labelSelector is not set")
        elif keys:
            for index, key in enumerate(keys):
                errors.invalid_each(f"{path}.{field}[{index}]", key, names.qualified_name(key))
    if selector is not None:
        seen = set(selector.get("matchLabels") or ())
        last = {key: index for index, key in enumerate(match)}
        for expression in selector.get("matchExpressions") or ():
            key = expression.get("key", "")
            if key in last and key in seen:
                message = "exists in both matchLabelKeys and labelSelector"
                errors.invalid(f"{path}[{last[key]}]", key, message)
            seen.add(key)
    for index, key in enumerate(match):
        if key in mismatch:
            message = "exists in both matchLabelKeys and mismatchLabelKeys"
            errors.invalid(f"{path}.matchLabelKeys[{index}]", key, message)


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
        effect = each.get("effect", "")
        if each.get("tolerationSeconds") is not None and effect != "NoExecute":
            message = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.invalid(f"{at}.effect", effect, message)
        value = each.get("value", "")
        if operator in ("Equal", ""):
            if bad := names.label_value(value):
                errors.invalid(f"{at}.operator", value, ";".join(bad))
        elif operator == "Exists":
            if value:
                errors.invalid(f"{at}.operator", value, "value must be empty when `operator` is 'Exists'")
        else:
            known = ("Equal", "Exists", "Lt", "Gt")  # the last two behind a feature gate that is off
            errors.not_supported(f"{at}.operator", operator, known if operator in known else known[:2])
        errors.one_of(f"{at}.effect", effect, TAINT_EFFECTS)


def validate_spread(
    errors: Errors, constraints: Iterable[Obj] | None, path: str, options: PodOptions = TEMPLATE
) -> None:
    constraints = list(constraints or ())
    pairs = [(each.get("topologyKey", ""), each.get("whenUnsatisfiable", "")) for each in constraints]
    for index, each in enumerate(constraints):
        at, (topology, action) = f"{path}[{index}]", pairs[index]
        if each.get("maxSkew", 0) <= 0:
            errors.invalid(f"{at}.maxSkew", each.get("maxSkew", 0), "must be greater than zero")
        if not topology:
            errors.required(f"{at}.topologyKey", "can not be empty")
        if action not in (actions := ("DoNotSchedule", "ScheduleAnyway")):
            errors.not_supported(f"{at}.whenUnsatisfiable", action, actions)
        if pairs[index] in pairs[index + 1 :]:
            errors.duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{topology}, {action}}}")
        if (least := each.get("minDomains")) is not None:
            if least <= 0:
                errors.invalid(f"{at}.minDomains", least, "must be greater than zero")
            if action != "DoNotSchedule":
                message = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                errors.invalid(f"{at}.minDomains", least, message)
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            policy = each.get(field)
            if policy is not None and policy not in ("Honor", "Ignore"):
                errors.not_supported(f"{at}.{field}", policy, ("Honor", "Ignore"))
        if options.odd_spread_keys:
            _validate_old_label_keys(errors, each, f"{at}.matchLabelKeys")
        else:
            _validate_label_keys(errors, {**each, "mismatchLabelKeys": None}, at)
        if not options.odd_spread_selectors:
            errors.causes += validate_label_selector(each.get("labelSelector"), f"{at}.labelSelector")


def _validate_old_label_keys(errors: Errors, constraint: Obj, path: str) -> None:
    """For pods that were made before selectors took these keys up: none may be in the selector."""
    keys, selector = constraint.get("matchLabelKeys") or (), constraint.get("labelSelector")
    if keys and selector is None:
        errors.forbidden(path, "must not be specified when labelSelector is not set")
    named = {each.get("key") for each in (selector or {}).get("matchExpressions") or ()}
    named |= set((selector or {}).get("matchLabels") or ())
    for index, key in enumerate(keys):
        errors.invalid_each(f"{path}[{index}]", key, names.qualified_name(key))
        if key in named:
            errors.invalid(f"{path}[{index}]", key, "exists in both matchLabelKeys and labelSelector")


def validate_taints(errors: Errors, taints: Iterable[Obj] | None, path: str) -> None:
    """The taints of a node."""
    seen = set()
    for index, taint in enumerate(taints or ()):
        at, key, effect = f"{path}[{index}]", taint.get("key", ""), taint.get("effect", "")
        errors.invalid_each(f"{at}.key", key, names.qualified_name(key))
        if bad := names.label_value(taint.get("value", "")):
            errors.invalid(f"{at}.value", taint["value"], ";".join(bad))
        errors.one_of(f"{at}.effect", effect, TAINT_EFFECTS, required=True)
        if (key, effect) in seen:
            errors.duplicate(at, taint, "taints must be unique by key and effect pair")
        seen.add((key, effect))
