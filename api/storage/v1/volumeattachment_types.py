"""The wire form of VolumeAttachment."""

from typing import Annotated, Required, TypedDict

from api.annotations import Int32, Proto, Time
from api.core.v1.persistentvolume_types import PersistentVolumeSpec
from api.meta.v1 import ObjectMeta


class VolumeAttachmentSource(TypedDict, total=False):
    """The volume to attach."""

    persistentVolumeName: Annotated[str, Proto(1), "The volume's name."]
    inlineVolumeSpec: Annotated[
        PersistentVolumeSpec, Proto(2), "The volume itself, where it has no object of its own."
    ]


class VolumeAttachmentSpec(TypedDict, total=False):
    """Which volume should be attached to which node."""

    attacher: Required[Annotated[str, Proto(1), "Who attaches it."]]
    source: Required[Annotated[VolumeAttachmentSource, Proto(2), "The volume."]]
    nodeName: Required[Annotated[str, Proto(3), "The node."]]


class VolumeError(TypedDict, total=False):
    """What went wrong."""

    time: Annotated[Time, Proto(1), "When."]
    message: Annotated[str, Proto(2), "What, in words for people."]
    errorCode: Annotated[Int32, Proto(3), "The driver's code of the error."]


class VolumeAttachmentStatus(TypedDict, total=False):
    """Whether the volume is attached."""

    attached: Required[Annotated[bool, Proto(1), "Whether it is."]]
    attachmentMetadata: Annotated[dict[str, str], Proto(2), "What the attacher wants to be told on mounting."]
    attachError: Annotated[VolumeError, Proto(3), "What went wrong on attaching."]
    detachError: Annotated[VolumeError, Proto(4), "What went wrong on detaching."]


class VolumeAttachment(TypedDict, total=False):
    """Says that a volume should be attached to a node."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[VolumeAttachmentSpec, Proto(2), "What is wanted."]]
    status: Annotated[VolumeAttachmentStatus, Proto(3), "What is; written by the system."]
