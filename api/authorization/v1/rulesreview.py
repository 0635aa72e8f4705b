"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Proto
from api.builtin import builtin
from api.columns import AGE, NAME
from api.meta.v1 import ObjectMeta
from api.resource import Strategy
from machinery.gvk import GVR


class SelfSubjectRulesReviewSpec(TypedDict, total=False):
    """TODO SelfSubjectRulesReviewSpec"""

    namespace: Annotated[str, Proto(1)]


class ResourceRule(TypedDict, total=False):
    """TODO ResourceRule"""

    verbs: Required[Annotated[list[str], Proto(1), ATOMIC]]
    apiGroups: Annotated[list[str], Proto(2), ATOMIC]
    resources: Annotated[list[str], Proto(3), ATOMIC]
    resourceNames: Annotated[list[str], Proto(4), ATOMIC]


class NonResourceRule(TypedDict, total=False):
    """TODO NonResourceRule"""

    verbs: Required[Annotated[list[str], Proto(1), ATOMIC]]
    nonResourceURLs: Annotated[list[str], Proto(2), ATOMIC]


class SubjectRulesReviewStatus(TypedDict, total=False):
    """TODO SubjectRulesReviewStatus"""

    resourceRules: Required[Annotated[list[ResourceRule], Proto(1), ATOMIC]]
    nonResourceRules: Required[Annotated[list[NonResourceRule], Proto(2), ATOMIC]]
    incomplete: Required[Annotated[bool, Proto(3)]]
    evaluationError: Annotated[str, Proto(4)]


class SelfSubjectRulesReview(TypedDict, total=False):
    """TODO SelfSubjectRulesReview"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Required[Annotated[SelfSubjectRulesReviewSpec, Proto(2)]]
    status: Annotated[SubjectRulesReviewStatus, Proto(3)]


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
