"""TODO module"""

from typing import Annotated, TypedDict

from api.annotations import Int32, Proto
from api.meta.v1 import ObjectMeta


class PriorityClass(TypedDict, total=False):
    """TODO PriorityClass"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    value: Annotated[Int32, Proto(2)]
    globalDefault: Annotated[bool, Proto(3)]
    description: Annotated[str, Proto(4)]
    preemptionPolicy: Annotated[str, Proto(5)]
