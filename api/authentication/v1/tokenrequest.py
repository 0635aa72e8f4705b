"""TODO module"""

from typing import Annotated, TypedDict

from api.annotations import ATOMIC, Int64, Proto, Time
from api.meta.v1 import ObjectMeta


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
