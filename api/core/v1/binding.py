"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import Proto
from api.core.v1.reference import ObjectReference
from api.meta.v1 import ObjectMeta


class Binding(TypedDict, total=False):
    """TODO Binding"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    target: Required[Annotated[ObjectReference, Proto(2)]]
