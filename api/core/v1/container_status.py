"""Containers as the node reports them."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Int64, ListMap, Patch, Proto, Quantity, Time
from api.core.v1.resources import ResourceRequirements


class ContainerStateWaiting(TypedDict, total=False):
    """Not running yet, or not again yet."""

    reason: Annotated[str, Proto(1), "Such as ContainerCreating, ImagePullBackOff or CrashLoopBackOff."]
    message: Annotated[str, Proto(2), "Why, in words for people."]


class ContainerStateRunning(TypedDict, total=False):
    """Running."""

    startedAt: Annotated[Time, Proto(1), "When it started."]


class ContainerStateTerminated(TypedDict, total=False):
    """Ended, and how."""

    exitCode: Required[Annotated[Int32, Proto(1), "What it returned."]]
    signal: Annotated[Int32, Proto(2), "The signal that ended it."]
    reason: Annotated[str, Proto(3), "Such as Completed, Error or OOMKilled."]
    message: Annotated[str, Proto(4), "What it left as its termination message."]
    startedAt: Annotated[Time, Proto(5), "When it started."]
    finishedAt: Annotated[Time, Proto(6), "When it ended."]
    containerID: Annotated[str, Proto(7), "Its id, as RUNTIME://ID."]


class ContainerState(TypedDict, total=False):
    """What a container is doing; exactly one of these."""

    waiting: Annotated[ContainerStateWaiting, Proto(1), "Not running yet."]
    running: Annotated[ContainerStateRunning, Proto(2), "Running."]
    terminated: Annotated[ContainerStateTerminated, Proto(3), "Ended."]


class ImageVolumeStatus(TypedDict, total=False):
    """The image behind an image volume."""

    imageRef: Required[Annotated[str, Proto(1)]]


class VolumeStatus(TypedDict, total=False):
    """What is known of a mounted volume's source."""

    image: Annotated[ImageVolumeStatus, Proto(1), "The image, as REGISTRY/NAME:TAG or with @DIGEST."]


class VolumeMountStatus(TypedDict, total=False):
    """How a volume was really mounted."""

    name: Required[Annotated[str, Proto(1)]]
    mountPath: Required[Annotated[str, Proto(2)]]
    readOnly: Annotated[bool, Proto(3), "Whether it is mounted read-only."]
    recursiveReadOnly: Annotated[str, Proto(4)]
    volumeStatus: Annotated[VolumeStatus, Proto(5)]


class LinuxContainerUser(TypedDict, total=False):
    """The ids a container's first process started with."""

    uid: Required[Annotated[Int64, Proto(1), "Its unique id."]]
    gid: Required[Annotated[Int64, Proto(2)]]
    supplementalGroups: Annotated[list[Int64], Proto(3), ATOMIC]


class ContainerUser(TypedDict, total=False):
    """As whom a container's first process started."""

    linux: Annotated[LinuxContainerUser, Proto(1), "The ids on Linux."]


class ResourceHealth(TypedDict, total=False):
    """Whether one device works."""

    resourceID: Required[Annotated[str, Proto(1)]]
    health: Annotated[str, Proto(2)]
    message: Annotated[str, Proto(6), "Why, in words for people."]


class ResourceStatus(TypedDict, total=False):
    """Whether the devices of a kind work."""

    name: Required[Annotated[str, Proto(1)]]
    resources: Annotated[
        list[ResourceHealth],
        Proto(2),
        ListMap("resourceID"),
        "How much it needs at least, and may use at most.",
    ]


class ContainerStatus(TypedDict, total=False):
    """What a node reports of one container."""

    name: Required[Annotated[str, Proto(1), "The container."]]
    state: Annotated[ContainerState, Proto(2), "What it is doing."]
    lastState: Annotated[ContainerState, Proto(3), "How it ended the last time."]
    ready: Required[Annotated[bool, Proto(4), "Whether its readiness probe succeeds."]]
    restartCount: Required[Annotated[Int32, Proto(5), "How often the container was restarted."]]
    image: Required[Annotated[str, Proto(6), "The image, as REGISTRY/NAME:TAG or with @DIGEST."]]
    imageID: Required[Annotated[str, Proto(7), "The image by its digest."]]
    containerID: Annotated[str, Proto(8), "Its id, as RUNTIME://ID."]
    started: Annotated[bool, Proto(9), "Whether its startup probe has succeeded."]
    allocatedResources: Annotated[dict[str, Quantity], Proto(10), "What the node has set aside for it."]
    resources: Annotated[ResourceRequirements, Proto(11), "How much it needs at least, and may use at most."]
    volumeMounts: Annotated[
        list[VolumeMountStatus],
        Proto(12),
        ListMap("mountPath"),
        Patch("merge", "mountPath"),
        "Where the pod's volumes appear.",
    ]
    user: Annotated[ContainerUser, Proto(13), "As whom it started."]
    allocatedResourcesStatus: Annotated[
        list[ResourceStatus], Proto(14), ListMap("name"), Patch("merge", "name"), "Whether its devices work."
    ]
    stopSignal: Annotated[str, Proto(15), "The signal that asks it to stop."]
