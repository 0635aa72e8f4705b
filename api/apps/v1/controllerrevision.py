"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import Int64, Proto, RawExtension
from api.meta.v1 import ObjectMeta


class ControllerRevision(TypedDict, total=False):
    """TODO ControllerRevision"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    data: Annotated[RawExtension, Proto(2)]
    revision: Required[Annotated[Int64, Proto(3)]]
