"""TODO module"""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import ATOMIC, Proto
from api.builtin import builtin
from api.columns import AGE, NAME
from api.meta.v1 import ObjectMeta
from api.resource import Strategy
from api.validation.errors import Errors
from machinery.errors import Cause
from machinery.gvk import GVR


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


Obj = dict[str, Any]


class TokenReviewStrategy(Strategy):
    has_generation = False

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        if not (obj.get("spec") or {}).get("token"):
            errors.required("spec.token", "token is required for TokenReview in authentication")
        return errors.causes


TOKENREVIEW = builtin(
    GVR("authentication.k8s.io", "v1", "tokenreviews", namespaced=False, kind="TokenReview"),
    TokenReview,
    strategy=TokenReviewStrategy(),
    columns=(NAME, AGE),
    verbs=("create",),
)
