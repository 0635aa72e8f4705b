"""References from one object to another."""

from typing import Annotated, Required, TypedDict

from api.annotations import Proto, atomic


@atomic
class LocalObjectReference(TypedDict, total=False):
    """An object in the same namespace, by name."""

    name: Annotated[str, Proto(1), "Its name."]


@atomic
class ObjectReference(TypedDict, total=False):
    """Any object, or a part of one."""

    kind: Annotated[str, Proto(1), "The kind of the object."]
    apiVersion: Annotated[str, Proto(5), "Group and version."]
    namespace: Annotated[str, Proto(2), "Its namespace."]
    name: Annotated[str, Proto(3), "Its name."]
    uid: Annotated[str, Proto(4), "Its unique id."]
    resourceVersion: Annotated[str, Proto(6), "Its revision."]
    fieldPath: Annotated[str, Proto(7), "The part of it that is meant, such as spec.containers{web}."]


@atomic
class TypedLocalObjectReference(TypedDict, total=False):
    """An object of any kind in the same namespace."""

    kind: Required[Annotated[str, Proto(2), "The kind of the object."]]
    apiGroup: Annotated[str, Proto(1), "Its group; empty for the core group."]
    name: Required[Annotated[str, Proto(3), "Its name."]]


class TypedObjectReference(TypedDict, total=False):
    """An object of any kind, perhaps in another namespace."""

    kind: Required[Annotated[str, Proto(2), "The kind of the object."]]
    apiGroup: Annotated[str, Proto(1), "Its group; empty for the core group."]
    name: Required[Annotated[str, Proto(3), "Its name."]]
    namespace: Annotated[str, Proto(4), "Its namespace."]


@atomic
class SecretReference(TypedDict, total=False):
    """A Secret of any namespace."""

    name: Annotated[str, Proto(1), "Its name, which is unique within its namespace."]
    namespace: Annotated[str, Proto(2), "Its namespace."]
