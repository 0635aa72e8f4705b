"""TODO module"""

from typing import Annotated, TypedDict

from api.annotations import ATOMIC, ListMap, Patch, Proto
from api.core.v1.reference import LocalObjectReference, ObjectReference
from api.meta.v1 import ObjectMeta


class ServiceAccount(TypedDict, total=False):
    """TODO ServiceAccount"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    secrets: Annotated[list[ObjectReference], Proto(2), ListMap("name"), Patch("merge", "name")]
    imagePullSecrets: Annotated[list[LocalObjectReference], Proto(3), ATOMIC]
    automountServiceAccountToken: Annotated[bool, Proto(4)]
