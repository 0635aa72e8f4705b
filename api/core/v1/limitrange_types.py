"""The wire form of LimitRange."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Enum, Proto, Quantity
from api.meta.v1 import ObjectMeta


class LimitRangeItem(TypedDict, total=False):
    """Bounds for the resources of one type of object."""

    type: Required[
        Annotated[
            str,
            Proto(1),
            Enum("Container", "PersistentVolumeClaim", "Pod"),
            "What it bounds: Pod, Container or PersistentVolumeClaim.",
        ]
    ]
    max: Annotated[dict[str, Quantity], Proto(2), "The most that may be used, by resource."]
    min: Annotated[dict[str, Quantity], Proto(3), "The least that must be asked for, by resource."]
    default: Annotated[dict[str, Quantity], Proto(4), "Limits that are set where none are, by resource."]
    defaultRequest: Annotated[
        dict[str, Quantity], Proto(5), "Requests that are set where none are, by resource."
    ]
    maxLimitRequestRatio: Annotated[
        dict[str, Quantity], Proto(6), "How many times the request the limit may be, by resource."
    ]


class LimitRangeSpec(TypedDict, total=False):
    """Bounds for the objects of a namespace."""

    limits: Required[Annotated[list[LimitRangeItem], Proto(1), ATOMIC, "The bounds."]]


class LimitRange(TypedDict, total=False):
    """Bounds and defaults for the resources of each object of a namespace."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[LimitRangeSpec, Proto(2), "What is wanted."]
