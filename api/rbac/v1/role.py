"""Role and ClusterRole: what may be done, without saying by whom."""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import ATOMIC, Proto
from api.builtin import builtin
from api.columns import CREATED_AT, NAME
from api.meta.v1 import LabelSelector, ObjectMeta
from api.resource import Strategy
from api.validation.errors import Errors
from api.validation.selectors import has_odd_values, validate_selector
from machinery.errors import Cause
from machinery.gvk import CLUSTERROLES, ROLES
from machinery.selectors.labels import validate_label_selector


class PolicyRule(TypedDict, total=False):
    """Verbs, and what they may be used on."""

    verbs: Required[
        Annotated[
            list[str],
            Proto(1),
            ATOMIC,
            "What may be done: get, list, watch, create, update, patch, delete, deletecollection, or * for all.",
        ]
    ]
    apiGroups: Annotated[list[str], Proto(2), ATOMIC, 'In which groups; "" is the core group, * all.']
    resources: Annotated[list[str], Proto(3), ATOMIC, "On which resources; pods/log is a subresource, * all."]
    resourceNames: Annotated[list[str], Proto(4), ATOMIC, "Only objects of these names; all where empty."]
    nonResourceURLs: Annotated[list[str], Proto(5), ATOMIC, "Paths, with * at their end for all below."]


class Role(TypedDict, total=False):
    """What may be done within one namespace."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    rules: Annotated[list[PolicyRule], Proto(2), ATOMIC, "What may be done."]


class AggregationRule(TypedDict, total=False):
    """Which cluster roles' rules a cluster role is made of."""

    clusterRoleSelectors: Annotated[
        list[LabelSelector], Proto(1), ATOMIC, "Which cluster roles' rules to gather."
    ]


class ClusterRole(TypedDict, total=False):
    """What may be done in every namespace and to what lies outside of them."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    rules: Annotated[list[PolicyRule], Proto(2), ATOMIC, "What may be done."]
    aggregationRule: Annotated[
        AggregationRule, Proto(3), "Where the rules are gathered from, instead of written here."
    ]


Obj = dict[str, Any]


class RoleStrategy(Strategy):
    name_rule = "path"
    has_generation = False
    allow_create_on_update = True

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        for index, rule in enumerate(obj.get("rules") or ()):
            _validate_rule(errors, rule, f"rules[{index}]", namespaced=True)
        return errors.causes


class ClusterRoleStrategy(RoleStrategy):
    def validate(self, obj: Obj) -> Sequence[Cause]:
        return _validate_cluster_role(obj, odd_values=False)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        before = (old.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
        return _validate_cluster_role(obj, odd_values=any(has_odd_values(each) for each in before))


def _validate_cluster_role(role: Obj, *, odd_values: bool) -> Sequence[Cause]:
    errors = Errors()
    for index, rule in enumerate(role.get("rules") or ()):
        _validate_rule(errors, rule, f"rules[{index}]", namespaced=False)
    aggregation = role.get("aggregationRule")
    if aggregation is None:
        return errors.causes
    selectors, path = aggregation.get("clusterRoleSelectors") or [], "aggregationRule.clusterRoleSelectors"
    if not selectors:
        errors.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for index, selector in enumerate(selectors):
        at = f"{path}[{index}]"
        validate_selector(errors, selector, at, odd_values=odd_values)
        if validate_label_selector(selector, at):
            errors.invalid(at, selector, "invalid label selector.")
    return errors.causes


def _validate_rule(errors: Errors, rule: Obj, path: str, *, namespaced: bool) -> None:
    if not rule.get("verbs"):
        errors.required(f"{path}.verbs", "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            message = "namespaced rules cannot apply to non-resource URLs"
            errors.invalid(f"{path}.nonResourceURLs", urls, message)
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            message = "rules cannot apply to both regular resources and non-resource URLs"
            errors.invalid(f"{path}.nonResourceURLs", urls, message)
        return
    if not rule.get("apiGroups"):
        errors.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        errors.required(f"{path}.resources", "resource rules must supply at least one resource")


ROLE = builtin(ROLES, Role, strategy=RoleStrategy(), columns=(NAME, CREATED_AT))
CLUSTERROLE = builtin(CLUSTERROLES, ClusterRole, strategy=ClusterRoleStrategy(), columns=(NAME, CREATED_AT))
