"""TODO module"""

from typing import Annotated, TypedDict

from api.annotations import Proto
from api.authentication.v1.tokenreview import UserInfo
from api.meta.v1 import ObjectMeta


class SelfSubjectReviewStatus(TypedDict, total=False):
    """TODO SelfSubjectReviewStatus"""

    userInfo: Annotated[UserInfo, Proto(1)]


class SelfSubjectReview(TypedDict, total=False):
    """TODO SelfSubjectReview"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    status: Annotated[SelfSubjectReviewStatus, Proto(2)]
