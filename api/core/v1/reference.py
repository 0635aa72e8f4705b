"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import Proto, atomic


@atomic
class LocalObjectReference(TypedDict, total=False):
    """TODO LocalObjectReference"""

    name: Annotated[str, Proto(1)]


@atomic
class ObjectReference(TypedDict, total=False):
    """TODO ObjectReference"""

    kind: Annotated[str, Proto(1)]
    apiVersion: Annotated[str, Proto(5)]
    namespace: Annotated[str, Proto(2)]
    name: Annotated[str, Proto(3)]
    uid: Annotated[str, Proto(4)]
    resourceVersion: Annotated[str, Proto(6)]
    fieldPath: Annotated[str, Proto(7)]


@atomic
class TypedLocalObjectReference(TypedDict, total=False):
    """TODO TypedLocalObjectReference"""

    kind: Required[Annotated[str, Proto(2)]]
    apiGroup: Annotated[str, Proto(1)]
    name: Required[Annotated[str, Proto(3)]]


class TypedObjectReference(TypedDict, total=False):
    """TODO TypedObjectReference"""

    kind: Required[Annotated[str, Proto(2)]]
    apiGroup: Annotated[str, Proto(1)]
    name: Required[Annotated[str, Proto(3)]]
    namespace: Annotated[str, Proto(4)]
