"""Requests, limits and claims."""

from typing import Annotated, Required, TypedDict

from api.annotations import ListMap, Proto, Quantity


class ResourceClaim(TypedDict, total=False):
    """An entry of the pod's resourceClaims that a container uses."""

    name: Required[Annotated[str, Proto(1), "An entry of the pod's resourceClaims."]]
    request: Annotated[str, Proto(2), "One request of the claim; all where unset."]


class ResourceRequirements(TypedDict, total=False):
    """How much a container needs at least, and may use at most."""

    limits: Annotated[
        dict[str, Quantity],
        Proto(1),
        "What may be used at most; more memory ends the container, more cpu slows it down.",
    ]
    requests: Annotated[
        dict[str, Quantity], Proto(2), "What is set aside on the node; the limits where unset."
    ]
    claims: Annotated[
        list[ResourceClaim],
        Proto(3),
        ListMap("name"),
        "Entries of the pod's resourceClaims that the container uses.",
    ]


class ContainerResizePolicy(TypedDict, total=False):
    """Whether a container must restart when an amount changes."""

    resourceName: Required[Annotated[str, Proto(1), "cpu or memory."]]
    restartPolicy: Required[Annotated[str, Proto(2), "NotRequired or RestartContainer."]]


class PodResourceClaim(TypedDict, total=False):
    """A device, or the like, that the pod needs, by a name of its own."""

    name: Required[Annotated[str, Proto(1), "Its name within the pod."]]
    resourceClaimName: Annotated[str, Proto(3), "A claim that exists."]
    resourceClaimTemplateName: Annotated[str, Proto(4), "A template to make a claim from."]


class VolumeResourceRequirements(TypedDict, total=False):
    """How much storage a claim needs."""

    limits: Annotated[
        dict[str, Quantity],
        Proto(1),
        "What may be used at most; more memory ends the container, more cpu slows it down.",
    ]
    requests: Annotated[
        dict[str, Quantity], Proto(2), "What is set aside on the node; the limits where unset."
    ]
