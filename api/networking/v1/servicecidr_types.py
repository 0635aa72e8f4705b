"""The wire form of ServiceCIDR."""

from typing import Annotated, TypedDict

from api.annotations import ATOMIC, ListMap, Patch, Proto
from api.meta.v1 import Condition, ObjectMeta


class ServiceCIDRSpec(TypedDict, total=False):
    """Ranges that services get their addresses from."""

    cidrs: Annotated[list[str], Proto(1), ATOMIC, "One range, or one for each family."]


class ServiceCIDRStatus(TypedDict, total=False):
    """Whether a range can be used."""

    conditions: Annotated[
        list[Condition],
        Proto(1),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]


class ServiceCIDR(TypedDict, total=False):
    """A range that services get their addresses from."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[ServiceCIDRSpec, Proto(2), "What is wanted."]
    status: Annotated[ServiceCIDRStatus, Proto(3), "What is; written by the system."]
