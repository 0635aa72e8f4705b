"""Which requests admission is about: shared by webhooks and policies."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Enum, Proto, atomic, inlines
from api.meta.v1 import LabelSelector


class Rule(TypedDict, total=False):
    """Kinds of objects."""

    apiGroups: Annotated[list[str], Proto(1), ATOMIC, "Their groups; * for all."]
    apiVersions: Annotated[list[str], Proto(2), ATOMIC, "Their versions; * for all."]
    resources: Annotated[
        list[str], Proto(3), ATOMIC, "Their resources, such as pods, pods/status, */scale or *."
    ]
    scope: Annotated[str, Proto(4), Enum("*", "Cluster", "Namespaced"), "Cluster, Namespaced, or * for both."]


@inlines(2, Rule)
class RuleWithOperations(Rule, total=False):
    """Operations on kinds of objects."""

    operations: Annotated[list[str], Proto(1), ATOMIC, "CREATE, UPDATE, DELETE, CONNECT; * for all."]


@atomic
@inlines(2, RuleWithOperations)
class NamedRuleWithOperations(RuleWithOperations, total=False):
    """Operations on kinds of objects, perhaps only on some by name."""

    resourceNames: Annotated[list[str], Proto(1), ATOMIC, "Names of the objects; all where there are none."]


class MatchCondition(TypedDict, total=False):
    """A condition in CEL on a request."""

    name: Required[Annotated[str, Proto(1), "Its name, for people to tell it by."]]
    expression: Required[Annotated[str, Proto(2), "The condition."]]


@atomic
class MatchResources(TypedDict, total=False):
    """Which requests a policy is about."""

    namespaceSelector: Annotated[LabelSelector, Proto(1), "Namespaces of the objects."]
    objectSelector: Annotated[LabelSelector, Proto(2), "Labels of the objects."]
    resourceRules: Annotated[
        list[NamedRuleWithOperations], Proto(3), ATOMIC, "Operations that it is about; any one suffices."
    ]
    excludeResourceRules: Annotated[
        list[NamedRuleWithOperations], Proto(4), ATOMIC, "Operations that it is not about after all."
    ]
    matchPolicy: Annotated[
        str,
        Proto(7),
        Enum("Equivalent", "Exact"),
        "Whether other versions of a kind count: Exact or Equivalent.",
    ]
