"""SelfSubjectRulesReview: asks "what may I do in this namespace?"."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Proto
from api.builtin import builtin
from api.columns import AGE, NAME
from api.meta.v1 import ObjectMeta
from api.resource import Strategy
from machinery.gvk import GVR


class SelfSubjectRulesReviewSpec(TypedDict, total=False):
    """The namespace in question."""

    namespace: Annotated[str, Proto(1)]


class ResourceRule(TypedDict, total=False):
    """What may be done to resources."""

    verbs: Required[
        Annotated[
            list[str],
            Proto(1),
            ATOMIC,
            "What may be done: get, list, watch, create, update, patch, delete, deletecollection, or * for all.",
        ]
    ]
    apiGroups: Annotated[list[str], Proto(2), ATOMIC, 'In which groups; "" is the core group, * all.']
    resources: Annotated[list[str], Proto(3), ATOMIC, "How much it needs at least, and may use at most."]
    resourceNames: Annotated[list[str], Proto(4), ATOMIC, "Only objects of these names; all where empty."]


class NonResourceRule(TypedDict, total=False):
    """What may be done to paths that are no resources."""

    verbs: Required[
        Annotated[
            list[str],
            Proto(1),
            ATOMIC,
            "What may be done: get, list, watch, create, update, patch, delete, deletecollection, or * for all.",
        ]
    ]
    nonResourceURLs: Annotated[list[str], Proto(2), ATOMIC, "Paths, with * at their end for all below."]


class SubjectRulesReviewStatus(TypedDict, total=False):
    """Everything that may be done."""

    resourceRules: Required[Annotated[list[ResourceRule], Proto(1), ATOMIC]]
    nonResourceRules: Required[Annotated[list[NonResourceRule], Proto(2), ATOMIC]]
    incomplete: Required[Annotated[bool, Proto(3)]]
    evaluationError: Annotated[str, Proto(4), "What went wrong while this was found out."]


class SelfSubjectRulesReview(TypedDict, total=False):
    """Asks "what may I do in this namespace?"."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[SelfSubjectRulesReviewSpec, Proto(2), "What is wanted."]]
    status: Annotated[SubjectRulesReviewStatus, Proto(3), "What is; written by the system."]


class RulesReviewStrategy(Strategy):
    has_generation = False


SELFSUBJECTRULESREVIEW = builtin(
    GVR(
        "authorization.k8s.io",
        "v1",
        "selfsubjectrulesreviews",
        namespaced=False,
        kind="SelfSubjectRulesReview",
    ),
    SelfSubjectRulesReview,
    strategy=RulesReviewStrategy(),
    columns=(NAME, AGE),
    verbs=("create",),
)
