"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Int64, ListMap, Patch, Proto, Quantity, Time
from api.core.v1.resources import ResourceRequirements


class ContainerStateWaiting(TypedDict, total=False):
    """TODO ContainerStateWaiting"""

    reason: Annotated[str, Proto(1)]
    message: Annotated[str, Proto(2)]


class ContainerStateRunning(TypedDict, total=False):
    """TODO ContainerStateRunning"""

    startedAt: Annotated[Time, Proto(1)]


class ContainerStateTerminated(TypedDict, total=False):
    """TODO ContainerStateTerminated"""

    exitCode: Required[Annotated[Int32, Proto(1)]]
    signal: Annotated[Int32, Proto(2)]
    reason: Annotated[str, Proto(3)]
    message: Annotated[str, Proto(4)]
    startedAt: Annotated[Time, Proto(5)]
    finishedAt: Annotated[Time, Proto(6)]
    containerID: Annotated[str, Proto(7)]


class ContainerState(TypedDict, total=False):
    """TODO ContainerState"""

    waiting: Annotated[ContainerStateWaiting, Proto(1)]
    running: Annotated[ContainerStateRunning, Proto(2)]
    terminated: Annotated[ContainerStateTerminated, Proto(3)]


class ImageVolumeStatus(TypedDict, total=False):
    """TODO ImageVolumeStatus"""

    imageRef: Required[Annotated[str, Proto(1)]]


class VolumeStatus(TypedDict, total=False):
    """TODO VolumeStatus"""

    image: Annotated[ImageVolumeStatus, Proto(1)]


class VolumeMountStatus(TypedDict, total=False):
    """TODO VolumeMountStatus"""

    name: Required[Annotated[str, Proto(1)]]
    mountPath: Required[Annotated[str, Proto(2)]]
    readOnly: Annotated[bool, Proto(3)]
    recursiveReadOnly: Annotated[str, Proto(4)]
    volumeStatus: Annotated[VolumeStatus, Proto(5)]


class LinuxContainerUser(TypedDict, total=False):
    """TODO LinuxContainerUser"""

    uid: Required[Annotated[Int64, Proto(1)]]
    gid: Required[Annotated[Int64, Proto(2)]]
    supplementalGroups: Annotated[list[Int64], Proto(3), ATOMIC]


class ContainerUser(TypedDict, total=False):
    """TODO ContainerUser"""

    linux: Annotated[LinuxContainerUser, Proto(1)]


class ResourceHealth(TypedDict, total=False):
    """TODO ResourceHealth"""

    resourceID: Required[Annotated[str, Proto(1)]]
    health: Annotated[str, Proto(2)]
    message: Annotated[str, Proto(6)]


class ResourceStatus(TypedDict, total=False):
    """TODO ResourceStatus"""

    name: Required[Annotated[str, Proto(1)]]
    resources: Annotated[list[ResourceHealth], Proto(2), ListMap("resourceID")]


class ContainerStatus(TypedDict, total=False):
    """TODO ContainerStatus"""

    name: Required[Annotated[str, Proto(1)]]
    state: Annotated[ContainerState, Proto(2)]
    lastState: Annotated[ContainerState, Proto(3)]
    ready: Required[Annotated[bool, Proto(4)]]
    restartCount: Required[Annotated[Int32, Proto(5)]]
    image: Required[Annotated[str, Proto(6)]]
    imageID: Required[Annotated[str, Proto(7)]]
    containerID: Annotated[str, Proto(8)]
    started: Annotated[bool, Proto(9)]
    allocatedResources: Annotated[dict[str, Quantity], Proto(10)]
    resources: Annotated[ResourceRequirements, Proto(11)]
    volumeMounts: Annotated[
        list[VolumeMountStatus], Proto(12), ListMap("mountPath"), Patch("merge", "mountPath")
    ]
    user: Annotated[ContainerUser, Proto(13)]
    allocatedResourcesStatus: Annotated[
        list[ResourceStatus], Proto(14), ListMap("name"), Patch("merge", "name")
    ]
    stopSignal: Annotated[str, Proto(15)]
