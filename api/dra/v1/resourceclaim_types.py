"""The wire form of ResourceClaim and ResourceClaimTemplate."""

from typing import Annotated, Required, TypedDict

from api.annotations import Proto
from api.dra.v1.claim_request import ResourceClaimSpec
from api.dra.v1.claim_status import ResourceClaimStatus
from api.meta.v1 import ObjectMeta


class ResourceClaim(TypedDict, total=False):
    """Asks for devices."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[ResourceClaimSpec, Proto(2), "What is wanted."]]
    status: Annotated[ResourceClaimStatus, Proto(3), "What is; written by the system."]


class ResourceClaimTemplateSpec(TypedDict, total=False):
    """The claim to make."""

    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[ResourceClaimSpec, Proto(2), "What is wanted."]]


class ResourceClaimTemplate(TypedDict, total=False):
    """A claim that is made for each pod."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[ResourceClaimTemplateSpec, Proto(2), "What is wanted."]]
