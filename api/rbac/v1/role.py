"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Proto
from api.meta.v1 import LabelSelector, ObjectMeta


class PolicyRule(TypedDict, total=False):
    """TODO PolicyRule"""

    verbs: Required[Annotated[list[str], Proto(1), ATOMIC]]
    apiGroups: Annotated[list[str], Proto(2), ATOMIC]
    resources: Annotated[list[str], Proto(3), ATOMIC]
    resourceNames: Annotated[list[str], Proto(4), ATOMIC]
    nonResourceURLs: Annotated[list[str], Proto(5), ATOMIC]


class Role(TypedDict, total=False):
    """TODO Role"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    rules: Annotated[list[PolicyRule], Proto(2), ATOMIC]


class AggregationRule(TypedDict, total=False):
    """TODO AggregationRule"""

    clusterRoleSelectors: Annotated[list[LabelSelector], Proto(1), ATOMIC]


class ClusterRole(TypedDict, total=False):
    """TODO ClusterRole"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    rules: Annotated[list[PolicyRule], Proto(2), ATOMIC]
    aggregationRule: Annotated[AggregationRule, Proto(3)]
