"""TODO module"""

from typing import Annotated, TypedDict

from api.annotations import Proto
from api.builtin import body
from api.meta.v1 import DeleteOptions, ObjectMeta


class Eviction(TypedDict, total=False):
    """TODO Eviction"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    deleteOptions: Annotated[DeleteOptions, Proto(2)]


EVICTION = body("policy", "v1", Eviction)
