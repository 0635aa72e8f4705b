"""The wire form of RuntimeClass."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, ATOMIC_MAP, Proto, Quantity
from api.core.v1.affinity import Toleration
from api.meta.v1 import ObjectMeta


class Overhead(TypedDict, total=False):
    """What a runtime itself needs."""

    podFixed: Annotated[dict[str, Quantity], Proto(1), "What it needs for each pod, by resource."]


class Scheduling(TypedDict, total=False):
    """Which nodes have a runtime."""

    nodeSelector: Annotated[dict[str, str], Proto(1), ATOMIC_MAP, "Labels of nodes that have it."]
    tolerations: Annotated[
        list[Toleration], Proto(2), ATOMIC, "Taints of such nodes that pods are to tolerate."
    ]


class RuntimeClass(TypedDict, total=False):
    """A name for a way to run pods."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    handler: Required[
        Annotated[str, Proto(2), "The runtime's configuration that nodes use for it; cannot be changed."]
    ]
    overhead: Annotated[Overhead, Proto(3), "What the runtime itself needs."]
    scheduling: Annotated[Scheduling, Proto(4), "Which nodes have it."]
