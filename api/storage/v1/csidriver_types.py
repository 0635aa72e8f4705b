"""The wire form of CSIDriver."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, SET, Int64, Proto
from api.meta.v1 import ObjectMeta


class TokenRequest(TypedDict, total=False):
    """A token of the pod's account that a driver gets."""

    audience: Required[Annotated[str, Proto(1), "Whom the token is for."]]
    expirationSeconds: Annotated[Int64, Proto(2), "How long it is good."]


class CSIDriverSpec(TypedDict, total=False):
    """What a CSI driver can do and needs."""

    attachRequired: Annotated[
        bool, Proto(1), "Whether volumes must be attached to a node first; true where unset."
    ]
    podInfoOnMount: Annotated[bool, Proto(2), "Whether it wants to know the pod that mounts."]
    volumeLifecycleModes: Annotated[list[str], Proto(3), SET, "Persistent, Ephemeral or both."]
    storageCapacity: Annotated[bool, Proto(4), "Whether it publishes how much room there is."]
    fsGroupPolicy: Annotated[
        str,
        Proto(5),
        "Whether the pod's group is applied to its volumes: ReadWriteOnceWithFSType, File or None.",
    ]
    tokenRequests: Annotated[
        list[TokenRequest], Proto(6), ATOMIC, "Tokens of the pod's account that it gets."
    ]
    requiresRepublish: Annotated[bool, Proto(7), "Whether it wants to be called again and again."]
    seLinuxMount: Annotated[bool, Proto(8), "Whether it takes an SELinux context as a mount option."]
    nodeAllocatableUpdatePeriodSeconds: Annotated[
        Int64, Proto(9), "How often a node asks how many volumes it can take."
    ]
    serviceAccountTokenInSecrets: Annotated[
        bool, Proto(10), "Whether tokens come with the secrets rather than with the attributes."
    ]
    preventPodSchedulingIfMissing: Annotated[
        bool, Proto(11), "Whether pods stay off nodes that do not have the driver."
    ]


class CSIDriver(TypedDict, total=False):
    """A CSI driver; its name is the driver's."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[CSIDriverSpec, Proto(2), "What is wanted."]]
