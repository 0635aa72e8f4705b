"""TODO module"""

from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from api.annotations import ATOMIC, Int64, Proto, Time
from api.builtin import body
from api.meta.v1 import ObjectMeta
from api.validation.errors import Errors
from machinery.errors import Cause


class BoundObjectReference(TypedDict, total=False):
    """TODO BoundObjectReference"""

    kind: Annotated[str, Proto(1)]
    apiVersion: Annotated[str, Proto(2)]
    name: Annotated[str, Proto(3)]
    uid: Annotated[str, Proto(4)]


class TokenRequestSpec(TypedDict, total=False):
    """TODO TokenRequestSpec"""

    audiences: Annotated[list[str], Proto(1), ATOMIC]
    boundObjectRef: Annotated[BoundObjectReference, Proto(3)]
    expirationSeconds: Annotated[Int64, Proto(4)]


class TokenRequestStatus(TypedDict, total=False):
    """TODO TokenRequestStatus"""

    token: Annotated[str, Proto(1)]
    expirationTimestamp: Annotated[Time, Proto(2)]


class TokenRequest(TypedDict, total=False):
    """TODO TokenRequest"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Annotated[TokenRequestSpec, Proto(2)]
    status: Annotated[TokenRequestStatus, Proto(3)]


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
