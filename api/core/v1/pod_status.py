"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, SET, Int64, ListMap, Patch, Proto, Quantity, Time
from api.core.v1.container_status import ContainerStatus
from api.core.v1.resources import ResourceRequirements


class PodIP(TypedDict, total=False):
    """TODO PodIP"""

    ip: Required[Annotated[str, Proto(1)]]


class HostIP(TypedDict, total=False):
    """TODO HostIP"""

    ip: Required[Annotated[str, Proto(1)]]


class PodCondition(TypedDict, total=False):
    """TODO PodCondition"""

    type: Required[Annotated[str, Proto(1)]]
    status: Required[Annotated[str, Proto(2)]]
    lastProbeTime: Annotated[Time, Proto(3)]
    lastTransitionTime: Annotated[Time, Proto(4)]
    reason: Annotated[str, Proto(5)]
    message: Annotated[str, Proto(6)]
    observedGeneration: Annotated[Int64, Proto(7)]


class PodResourceClaimStatus(TypedDict, total=False):
    """TODO PodResourceClaimStatus"""

    name: Required[Annotated[str, Proto(1)]]
    resourceClaimName: Annotated[str, Proto(2)]


class ContainerExtendedResourceRequest(TypedDict, total=False):
    """TODO ContainerExtendedResourceRequest"""

    containerName: Required[Annotated[str, Proto(1)]]
    resourceName: Required[Annotated[str, Proto(2)]]
    requestName: Required[Annotated[str, Proto(3)]]


class PodExtendedResourceClaimStatus(TypedDict, total=False):
    """TODO PodExtendedResourceClaimStatus"""

    requestMappings: Required[Annotated[list[ContainerExtendedResourceRequest], Proto(1), ATOMIC]]
    resourceClaimName: Required[Annotated[str, Proto(2)]]


class NodeAllocatableResourceClaimStatus(TypedDict, total=False):
    """TODO NodeAllocatableResourceClaimStatus"""

    resourceClaimName: Required[Annotated[str, Proto(1)]]
    containers: Annotated[list[str], Proto(2), SET]
    resources: Required[Annotated[dict[str, Quantity], Proto(3)]]


class PodStatus(TypedDict, total=False):
    """TODO PodStatus"""

    phase: Annotated[str, Proto(1)]
    conditions: Annotated[list[PodCondition], Proto(2), ListMap("type"), Patch("merge", "type")]
    message: Annotated[str, Proto(3)]
    reason: Annotated[str, Proto(4)]
    hostIP: Annotated[str, Proto(5)]
    podIP: Annotated[str, Proto(6)]
    startTime: Annotated[Time, Proto(7)]
    containerStatuses: Annotated[list[ContainerStatus], Proto(8), ATOMIC]
    qosClass: Annotated[str, Proto(9)]
    initContainerStatuses: Annotated[list[ContainerStatus], Proto(10), ATOMIC]
    nominatedNodeName: Annotated[str, Proto(11)]
    podIPs: Annotated[list[PodIP], Proto(12), ListMap("ip"), Patch("merge", "ip")]
    ephemeralContainerStatuses: Annotated[list[ContainerStatus], Proto(13), ATOMIC]
    resize: Annotated[str, Proto(14)]
    resourceClaimStatuses: Annotated[
        list[PodResourceClaimStatus], Proto(15), ListMap("name"), Patch("merge,retainKeys", "name")
    ]
    hostIPs: Annotated[list[HostIP], Proto(16), ATOMIC, Patch("merge", "ip")]
    observedGeneration: Annotated[Int64, Proto(17)]
    extendedResourceClaimStatus: Annotated[PodExtendedResourceClaimStatus, Proto(18)]
    allocatedResources: Annotated[dict[str, Quantity], Proto(19)]
    resources: Annotated[ResourceRequirements, Proto(20)]
    nodeAllocatableResourceClaimStatuses: Annotated[
        list[NodeAllocatableResourceClaimStatus], Proto(21), ATOMIC
    ]
