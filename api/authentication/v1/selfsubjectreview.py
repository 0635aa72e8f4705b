"""TODO module"""

from typing import Annotated, TypedDict

from api.annotations import Proto
from api.authentication.v1.tokenreview import UserInfo
from api.builtin import builtin
from api.columns import AGE, NAME
from api.meta.v1 import ObjectMeta
from api.resource import Strategy
from machinery.gvk import GVR


class SelfSubjectReviewStatus(TypedDict, total=False):
    """TODO SelfSubjectReviewStatus"""

    userInfo: Annotated[UserInfo, Proto(1)]


class SelfSubjectReview(TypedDict, total=False):
    """TODO SelfSubjectReview"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    status: Annotated[SelfSubjectReviewStatus, Proto(2)]


class SelfSubjectReviewStrategy(Strategy):
    has_generation = False


SELFSUBJECTREVIEW = builtin(
    GVR("authentication.k8s.io", "v1", "selfsubjectreviews", namespaced=False, kind="SelfSubjectReview"),
    SelfSubjectReview,
    strategy=SelfSubjectReviewStrategy(),
    columns=(NAME, AGE),
    verbs=("create",),
)
