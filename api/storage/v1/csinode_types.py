"""The wire form of CSINode."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, ListMap, Patch, Proto
from api.meta.v1 import ObjectMeta


class VolumeNodeResources(TypedDict, total=False):
    """How many volumes of a driver a node can take."""

    count: Annotated[Int32, Proto(1), "How many; as many as you like where unset."]


class CSINodeDriver(TypedDict, total=False):
    """A driver on a node."""

    name: Required[Annotated[str, Proto(1), "The driver's name."]]
    nodeID: Required[Annotated[str, Proto(2), "The driver's own name for the node."]]
    topologyKeys: Annotated[list[str], Proto(3), ATOMIC, "Labels by which the driver tells nodes apart."]
    allocatable: Annotated[VolumeNodeResources, Proto(4), "How many volumes of it the node can take."]


class CSINodeSpec(TypedDict, total=False):
    """The drivers of a node."""

    drivers: Required[
        Annotated[list[CSINodeDriver], Proto(1), ListMap("name"), Patch("merge", "name"), "The drivers."]
    ]


class CSINode(TypedDict, total=False):
    """The CSI drivers of a node; its name is the node's."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[CSINodeSpec, Proto(2), "What is wanted."]]
