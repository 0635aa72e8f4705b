"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, ListMap, Patch, Proto, Time
from api.meta.v1 import ObjectMeta


class NamespaceSpec(TypedDict, total=False):
    """TODO NamespaceSpec"""

    finalizers: Annotated[list[str], Proto(1), ATOMIC]


class NamespaceCondition(TypedDict, total=False):
    """TODO NamespaceCondition"""

    type: Required[Annotated[str, Proto(1)]]
    status: Required[Annotated[str, Proto(2)]]
    lastTransitionTime: Annotated[Time, Proto(4)]
    reason: Annotated[str, Proto(5)]
    message: Annotated[str, Proto(6)]


class NamespaceStatus(TypedDict, total=False):
    """TODO NamespaceStatus"""

    phase: Annotated[str, Proto(1)]
    conditions: Annotated[list[NamespaceCondition], Proto(2), ListMap("type"), Patch("merge", "type")]


class Namespace(TypedDict, total=False):
    """TODO Namespace"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Annotated[NamespaceSpec, Proto(2)]
    status: Annotated[NamespaceStatus, Proto(3)]
