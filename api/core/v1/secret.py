"""TODO module"""

from typing import Annotated, TypedDict

from api.annotations import Bytes, Proto
from api.meta.v1 import ObjectMeta


class Secret(TypedDict, total=False):
    """TODO Secret"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    data: Annotated[dict[str, Bytes], Proto(2)]
    type: Annotated[str, Proto(3)]
    stringData: Annotated[dict[str, str], Proto(4)]
    immutable: Annotated[bool, Proto(5)]
