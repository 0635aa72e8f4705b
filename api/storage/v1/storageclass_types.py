"""The wire form of StorageClass."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Enum, Proto
from api.core.v1.topology import TopologySelectorTerm
from api.meta.v1 import ObjectMeta


class StorageClass(TypedDict, total=False):
    """How volumes of a class are made."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    provisioner: Required[Annotated[str, Proto(2), "Who makes them."]]
    parameters: Annotated[dict[str, str], Proto(3), "Settings for the provisioner."]
    reclaimPolicy: Annotated[
        str,
        Proto(4),
        Enum("Delete", "Recycle", "Retain"),
        "What becomes of them once they are released; Delete where unset.",
    ]
    mountOptions: Annotated[list[str], Proto(5), ATOMIC, "Options of mount, not checked."]
    allowVolumeExpansion: Annotated[bool, Proto(6), "Whether they may grow."]
    volumeBindingMode: Annotated[
        str,
        Proto(7),
        Enum("Immediate", "WaitForFirstConsumer"),
        "Immediate, or WaitForFirstConsumer to wait for a pod.",
    ]
    allowedTopologies: Annotated[list[TopologySelectorTerm], Proto(8), ATOMIC, "Where they may be made."]
