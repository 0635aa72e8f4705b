"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Proto
from api.meta.v1 import ObjectMeta


class UserInfo(TypedDict, total=False):
    """TODO UserInfo"""

    username: Annotated[str, Proto(1)]
    uid: Annotated[str, Proto(2)]
    groups: Annotated[list[str], Proto(3), ATOMIC]
    extra: Annotated[dict[str, list[str]], Proto(4)]


class TokenReviewSpec(TypedDict, total=False):
    """TODO TokenReviewSpec"""

    token: Required[Annotated[str, Proto(1)]]
    audiences: Annotated[list[str], Proto(2), ATOMIC]


class TokenReviewStatus(TypedDict, total=False):
    """TODO TokenReviewStatus"""

    authenticated: Annotated[bool, Proto(1)]
    user: Annotated[UserInfo, Proto(2)]
    error: Annotated[str, Proto(3)]
    audiences: Annotated[list[str], Proto(4), ATOMIC]


class TokenReview(TypedDict, total=False):
    """TODO TokenReview"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Required[Annotated[TokenReviewSpec, Proto(2)]]
    status: Annotated[TokenReviewStatus, Proto(3)]
