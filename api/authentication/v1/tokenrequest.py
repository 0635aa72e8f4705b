"""TokenRequest: asks for a token of a service account, at serviceaccounts/NAME/token."""

from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from api.annotations import ATOMIC, Int64, Proto, Time
from api.builtin import body
from api.meta.v1 import ObjectMeta
from api.validation.errors import Errors
from machinery.errors import Cause


class BoundObjectReference(TypedDict, total=False):
    """The object with which a token loses its worth."""

    kind: Annotated[str, Proto(1), "The kind of the object."]
    apiVersion: Annotated[str, Proto(2), "Group and version."]
    name: Annotated[str, Proto(3)]
    uid: Annotated[str, Proto(4), "Its unique id."]


class TokenRequestSpec(TypedDict, total=False):
    """What kind of token is asked for."""

    audiences: Annotated[list[str], Proto(1), ATOMIC, "For whom the token is meant."]
    boundObjectRef: Annotated[BoundObjectReference, Proto(3), "With which object it loses its worth."]
    expirationSeconds: Annotated[Int64, Proto(4), "How long it shall live."]


class TokenRequestStatus(TypedDict, total=False):
    """The token."""

    token: Annotated[str, Proto(1), "The token."]
    expirationTimestamp: Annotated[Time, Proto(2), "When it expires."]


class TokenRequest(TypedDict, total=False):
    """Asks for a token of a service account."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[TokenRequestSpec, Proto(2), "What is wanted."]
    status: Annotated[TokenRequestStatus, Proto(3), "What is; written by the system."]


Obj = dict[str, Any]

_SHORTEST_S = 600


def _default(obj: Obj) -> None:
    obj.setdefault("spec", {}).setdefault("expirationSeconds", 3600)


def _validate(obj: Obj) -> Sequence[Cause]:
    errors = Errors()
    seconds = obj["spec"]["expirationSeconds"]
    if seconds < _SHORTEST_S:
        errors.invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    elif seconds > 1 << 32:
        errors.invalid(
            "spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"
        )
    return errors.causes


TOKENREQUEST = body("authentication.k8s.io", "v1", TokenRequest, default=_default, validate=_validate)
