"""TokenReview: asks whose token this is."""

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
    """Who a user is."""

    username: Annotated[str, Proto(1), "The user's name."]
    uid: Annotated[str, Proto(2), "Its unique id."]
    groups: Annotated[list[str], Proto(3), ATOMIC, "The user's groups."]
    extra: Annotated[dict[str, list[str]], Proto(4), "What else is known of the user."]


class TokenReviewSpec(TypedDict, total=False):
    """The token in question."""

    token: Required[Annotated[str, Proto(1), "The token."]]
    audiences: Annotated[list[str], Proto(2), ATOMIC, "Those it should be meant for."]


class TokenReviewStatus(TypedDict, total=False):
    """Whose token it is."""

    authenticated: Annotated[bool, Proto(1), "Whether it is good."]
    user: Annotated[UserInfo, Proto(2), "Whose it is."]
    error: Annotated[str, Proto(3), "Why it could not be checked."]
    audiences: Annotated[list[str], Proto(4), ATOMIC, "Those it is meant for, of those that were asked."]


class TokenReview(TypedDict, total=False):
    """Asks whose token this is."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[TokenReviewSpec, Proto(2), "What is wanted."]]
    status: Annotated[TokenReviewStatus, Proto(3), "What is; written by the system."]


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
