"""The wire form of CSIStorageCapacity."""

from typing import Annotated, Required, TypedDict

from api.annotations import Proto, Quantity
from api.meta.v1 import LabelSelector, ObjectMeta


class CSIStorageCapacity(TypedDict, total=False):
    """How much room a driver has for a storage class, somewhere."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    nodeTopology: Annotated[LabelSelector, Proto(2), "From which nodes the room can be reached."]
    storageClassName: Required[Annotated[str, Proto(3), "The storage class."]]
    capacity: Annotated[Quantity, Proto(4), "How much room there is."]
    maximumVolumeSize: Annotated[Quantity, Proto(5), "The largest volume that can be made."]
