"""The wire form of PersistentVolumeClaim; its spec is a pod's too and lies in `volume`."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Enum, ListMap, MapType, Patch, Proto, Quantity, Time
from api.core.v1.volume import PersistentVolumeClaimSpec
from api.meta.v1 import ObjectMeta


class PersistentVolumeClaimCondition(TypedDict, total=False):
    """One aspect of a claim's state."""

    type: Required[Annotated[str, Proto(1), "Resizing, FileSystemResizePending or the like."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    lastProbeTime: Annotated[Time, Proto(3), "When it was last looked at."]
    lastTransitionTime: Annotated[Time, Proto(4), "When the status last changed."]
    reason: Annotated[str, Proto(5), "Why, in a word for machines."]
    message: Annotated[str, Proto(6), "Why, in words for people."]


class ModifyVolumeStatus(TypedDict, total=False):
    """How far a change of a volume's attributes is."""

    targetVolumeAttributesClassName: Annotated[
        str, Proto(1), "The class whose attributes the volume is to get."
    ]
    status: Required[
        Annotated[
            str, Proto(2), Enum("InProgress", "Infeasible", "Pending"), "Pending, InProgress or Infeasible."
        ]
    ]


class PersistentVolumeClaimStatus(TypedDict, total=False):
    """How a claim is."""

    phase: Annotated[
        str, Proto(1), Enum("Bound", "Lost", "Pending"), "Pending, Bound, or Lost where its volume is gone."
    ]
    accessModes: Annotated[list[str], Proto(2), ATOMIC, "How its volume can be mounted."]
    capacity: Annotated[dict[str, Quantity], Proto(3), "Its volume's size."]
    conditions: Annotated[
        list[PersistentVolumeClaimCondition],
        Proto(4),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]
    allocatedResources: Annotated[dict[str, Quantity], Proto(5), "The size that is being made ready."]
    allocatedResourceStatuses: Annotated[
        dict[str, str], Proto(7), MapType("granular"), "How far a change of size is, by resource."
    ]
    currentVolumeAttributesClassName: Annotated[str, Proto(8), "The class whose attributes the volume has."]
    modifyVolumeStatus: Annotated[ModifyVolumeStatus, Proto(9), "How far a change of attributes is."]


class PersistentVolumeClaim(TypedDict, total=False):
    """A user's wish for storage."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[PersistentVolumeClaimSpec, Proto(2), "What is wanted."]
    status: Annotated[PersistentVolumeClaimStatus, Proto(3), "What is; written by the system."]
