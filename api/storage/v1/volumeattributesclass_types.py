"""The wire form of VolumeAttributesClass."""

from typing import Annotated, Required, TypedDict

from api.annotations import Proto
from api.meta.v1 import ObjectMeta


class VolumeAttributesClass(TypedDict, total=False):
    """Attributes of volumes that may change while they are in use."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    driverName: Required[Annotated[str, Proto(2), "The CSI driver."]]
    parameters: Annotated[dict[str, str], Proto(3), "The attributes."]
