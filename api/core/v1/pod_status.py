"""What the node reports of a pod."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, SET, Enum, Int64, ListMap, Patch, Proto, Quantity, Time
from api.core.v1.container_status import ContainerStatus
from api.core.v1.resources import ResourceRequirements


class PodIP(TypedDict, total=False):
    """An address of the pod."""

    ip: Required[Annotated[str, Proto(1)]]


class HostIP(TypedDict, total=False):
    """An address of the pod's node."""

    ip: Required[Annotated[str, Proto(1)]]


class PodCondition(TypedDict, total=False):
    """One aspect of a pod's state."""

    type: Required[
        Annotated[
            str,
            Proto(1),
            "PodScheduled, PodReadyToStartContainers, Initialized, ContainersReady, Ready, DisruptionTarget...",
        ]
    ]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    lastProbeTime: Annotated[Time, Proto(3), "When it was last looked at."]
    lastTransitionTime: Annotated[Time, Proto(4), "When the status last changed."]
    reason: Annotated[str, Proto(5), "Why, in a word for machines."]
    message: Annotated[str, Proto(6), "Why, in words for people."]
    observedGeneration: Annotated[Int64, Proto(7), "The generation that this was seen of."]


class PodResourceClaimStatus(TypedDict, total=False):
    """The claim that was made for an entry of resourceClaims."""

    name: Required[Annotated[str, Proto(1)]]
    resourceClaimName: Annotated[str, Proto(2)]


class ContainerExtendedResourceRequest(TypedDict, total=False):
    """Which request a container's extended resource came from."""

    containerName: Required[Annotated[str, Proto(1)]]
    resourceName: Required[Annotated[str, Proto(2)]]
    requestName: Required[Annotated[str, Proto(3)]]


class PodExtendedResourceClaimStatus(TypedDict, total=False):
    """The claim that was made for extended resources."""

    requestMappings: Required[Annotated[list[ContainerExtendedResourceRequest], Proto(1), ATOMIC]]
    resourceClaimName: Required[Annotated[str, Proto(2)]]


class NodeAllocatableResourceClaimStatus(TypedDict, total=False):
    """What a claim takes of the node's own resources."""

    resourceClaimName: Required[Annotated[str, Proto(1)]]
    containers: Annotated[list[str], Proto(2), SET]
    resources: Required[
        Annotated[dict[str, Quantity], Proto(3), "How much it needs at least, and may use at most."]
    ]


class PodStatus(TypedDict, total=False):
    """What the node reports of a pod."""

    phase: Annotated[
        str,
        Proto(1),
        Enum("Failed", "Pending", "Running", "Succeeded", "Unknown"),
        "Pending, Running, Succeeded, Failed or Unknown.",
    ]
    conditions: Annotated[
        list[PodCondition],
        Proto(2),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]
    message: Annotated[str, Proto(3), "Why, in words for people."]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    hostIP: Annotated[str, Proto(5), "Address of its node."]
    podIP: Annotated[str, Proto(6), "Its address."]
    startTime: Annotated[Time, Proto(7), "When the node took it up."]
    containerStatuses: Annotated[list[ContainerStatus], Proto(8), ATOMIC, "How its containers are."]
    qosClass: Annotated[
        str,
        Proto(9),
        Enum("BestEffort", "Burstable", "Guaranteed"),
        "Guaranteed, Burstable or BestEffort; who goes first when a node runs out.",
    ]
    initContainerStatuses: Annotated[list[ContainerStatus], Proto(10), ATOMIC, "How its init containers are."]
    nominatedNodeName: Annotated[str, Proto(11), "The node on which room is being made for it."]
    podIPs: Annotated[
        list[PodIP], Proto(12), ListMap("ip"), Patch("merge", "ip"), "Its addresses, one a family."
    ]
    ephemeralContainerStatuses: Annotated[
        list[ContainerStatus], Proto(13), ATOMIC, "How its ephemeral containers are."
    ]
    resize: Annotated[str, Proto(14), "How far a change of resources is; superseded by conditions."]
    resourceClaimStatuses: Annotated[
        list[PodResourceClaimStatus],
        Proto(15),
        ListMap("name"),
        Patch("merge,retainKeys", "name"),
        "Claims that were made for it.",
    ]
    hostIPs: Annotated[
        list[HostIP], Proto(16), ATOMIC, Patch("merge", "ip"), "Addresses of its node, one a family."
    ]
    observedGeneration: Annotated[Int64, Proto(17), "The generation that this was seen of."]
    extendedResourceClaimStatus: Annotated[PodExtendedResourceClaimStatus, Proto(18)]
    allocatedResources: Annotated[dict[str, Quantity], Proto(19)]
    resources: Annotated[ResourceRequirements, Proto(20), "How much it needs at least, and may use at most."]
    nodeAllocatableResourceClaimStatuses: Annotated[
        list[NodeAllocatableResourceClaimStatus], Proto(21), ATOMIC
    ]
