"""TODO module"""

from typing import Annotated, TypedDict

from api.annotations import Int32, MicroTime, Proto
from api.meta.v1 import ObjectMeta


class LeaseSpec(TypedDict, total=False):
    """TODO LeaseSpec"""

    holderIdentity: Annotated[str, Proto(1)]
    leaseDurationSeconds: Annotated[Int32, Proto(2)]
    acquireTime: Annotated[MicroTime, Proto(3)]
    renewTime: Annotated[MicroTime, Proto(4)]
    leaseTransitions: Annotated[Int32, Proto(5)]
    strategy: Annotated[str, Proto(6)]
    preferredHolder: Annotated[str, Proto(7)]


class Lease(TypedDict, total=False):
    """TODO Lease"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Annotated[LeaseSpec, Proto(2)]
