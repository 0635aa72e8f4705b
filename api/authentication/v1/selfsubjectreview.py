"""SelfSubjectReview: asks "who am I?"."""

from typing import Annotated, TypedDict

from api.annotations import Proto
from api.authentication.v1.tokenreview import UserInfo
from api.builtin import builtin
from api.columns import AGE, NAME
from api.meta.v1 import ObjectMeta
from api.resource import Strategy
from machinery.gvk import GVR


class SelfSubjectReviewStatus(TypedDict, total=False):
    """Who is asking."""

    userInfo: Annotated[UserInfo, Proto(1), "Who is asking."]


class SelfSubjectReview(TypedDict, total=False):
    """Asks "who am I?"."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    status: Annotated[SelfSubjectReviewStatus, Proto(2), "What is; written by the system."]


class SelfSubjectReviewStrategy(Strategy):
    has_generation = False


SELFSUBJECTREVIEW = builtin(
    GVR("authentication.k8s.io", "v1", "selfsubjectreviews", namespaced=False, kind="SelfSubjectReview"),
    SelfSubjectReview,
    strategy=SelfSubjectReviewStrategy(),
    columns=(NAME, AGE),
    verbs=("create",),
)
