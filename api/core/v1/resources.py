"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ListMap, Proto, Quantity


class ResourceClaim(TypedDict, total=False):
    """TODO ResourceClaim"""

    name: Required[Annotated[str, Proto(1)]]
    request: Annotated[str, Proto(2)]


class ResourceRequirements(TypedDict, total=False):
    """TODO ResourceRequirements"""

    limits: Annotated[dict[str, Quantity], Proto(1)]
    requests: Annotated[dict[str, Quantity], Proto(2)]
    claims: Annotated[list[ResourceClaim], Proto(3), ListMap("name")]


class ContainerResizePolicy(TypedDict, total=False):
    """TODO ContainerResizePolicy"""

    resourceName: Required[Annotated[str, Proto(1)]]
    restartPolicy: Required[Annotated[str, Proto(2)]]


class PodResourceClaim(TypedDict, total=False):
    """TODO PodResourceClaim"""

    name: Required[Annotated[str, Proto(1)]]
    resourceClaimName: Annotated[str, Proto(3)]
    resourceClaimTemplateName: Annotated[str, Proto(4)]


class VolumeResourceRequirements(TypedDict, total=False):
    """TODO VolumeResourceRequirements"""

    limits: Annotated[dict[str, Quantity], Proto(1)]
    requests: Annotated[dict[str, Quantity], Proto(2)]
