"""TODO module"""

from typing import Annotated, TypedDict

from api.annotations import Bytes, Proto
from api.meta.v1 import ObjectMeta


class ConfigMap(TypedDict, total=False):
    """TODO ConfigMap"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    data: Annotated[dict[str, str], Proto(2)]
    binaryData: Annotated[dict[str, Bytes], Proto(3)]
    immutable: Annotated[bool, Proto(4)]
