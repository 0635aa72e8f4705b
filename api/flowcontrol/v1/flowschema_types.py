"""The wire form of FlowSchema."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, SET, Int32, ListMap, Patch, Proto, Time
from api.meta.v1 import ObjectMeta


class UserSubject(TypedDict, total=False):
    """A user."""

    name: Required[Annotated[str, Proto(1), "The user's name; * for all."]]


class GroupSubject(TypedDict, total=False):
    """The users of a group."""

    name: Required[Annotated[str, Proto(1), "The group's name; * for all."]]


class ServiceAccountSubject(TypedDict, total=False):
    """A service account."""

    namespace: Required[Annotated[str, Proto(1), "Its namespace."]]
    name: Required[Annotated[str, Proto(2), "Its name; * for all of its namespace."]]


class Subject(TypedDict, total=False):
    """Who asks."""

    kind: Required[Annotated[str, Proto(1), "User, Group or ServiceAccount."]]
    user: Annotated[UserSubject, Proto(2), "A user."]
    group: Annotated[GroupSubject, Proto(3), "The users of a group."]
    serviceAccount: Annotated[ServiceAccountSubject, Proto(4), "A service account."]


class ResourcePolicyRule(TypedDict, total=False):
    """Requests for objects."""

    verbs: Required[Annotated[list[str], Proto(1), SET, "Their verbs; * for all."]]
    apiGroups: Required[Annotated[list[str], Proto(2), SET, "Groups of the objects; * for all."]]
    resources: Required[Annotated[list[str], Proto(3), SET, "Resources of the objects; * for all."]]
    clusterScope: Annotated[bool, Proto(4), "Whether requests without a namespace count."]
    namespaces: Annotated[list[str], Proto(5), SET, "Namespaces of the objects; * for all."]


class NonResourcePolicyRule(TypedDict, total=False):
    """Requests for other paths."""

    verbs: Required[Annotated[list[str], Proto(1), SET, "Their verbs; * for all."]]
    nonResourceURLs: Required[
        Annotated[list[str], Proto(6), SET, "Their paths, such as /healthz or /metrics/*; * for all."]
    ]


class PolicyRulesWithSubjects(TypedDict, total=False):
    """Requests of some users."""

    subjects: Required[Annotated[list[Subject], Proto(1), ATOMIC, "Who asks."]]
    resourceRules: Annotated[list[ResourcePolicyRule], Proto(2), ATOMIC, "Requests for objects."]
    nonResourceRules: Annotated[list[NonResourcePolicyRule], Proto(3), ATOMIC, "Requests for other paths."]


class PriorityLevelConfigurationReference(TypedDict, total=False):
    """A priority level by name."""

    name: Required[Annotated[str, Proto(1), "Its name."]]


class FlowDistinguisherMethod(TypedDict, total=False):
    """How requests of a schema are told apart."""

    type: Required[Annotated[str, Proto(1), "ByUser or ByNamespace."]]


class FlowSchemaSpec(TypedDict, total=False):
    """Which requests belong to a flow schema."""

    priorityLevelConfiguration: Required[
        Annotated[PriorityLevelConfigurationReference, Proto(1), "The priority level of these requests."]
    ]
    matchingPrecedence: Annotated[
        Int32, Proto(2), "Which schema goes first; the lowest number does. 1000 where unset."
    ]
    distinguisherMethod: Annotated[FlowDistinguisherMethod, Proto(3), "How its requests are told apart."]
    rules: Annotated[list[PolicyRulesWithSubjects], Proto(4), ATOMIC, "Its requests; any rule suffices."]


class FlowSchemaCondition(TypedDict, total=False):
    """One aspect of a flow schema's state."""

    type: Annotated[str, Proto(1), "Dangling, where its priority level does not exist."]
    status: Annotated[str, Proto(2), "True, False or Unknown."]
    lastTransitionTime: Annotated[Time, Proto(3), "When the status last changed."]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    message: Annotated[str, Proto(5), "Why, in words for people."]


class FlowSchemaStatus(TypedDict, total=False):
    """How a flow schema is."""

    conditions: Annotated[
        list[FlowSchemaCondition],
        Proto(1),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]


class FlowSchema(TypedDict, total=False):
    """Sorts requests into priority levels."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[FlowSchemaSpec, Proto(2), "What is wanted."]
    status: Annotated[FlowSchemaStatus, Proto(3), "What is; written by the system."]
