"""The wire form of IPAddress."""

from typing import Annotated, Required, TypedDict

from api.annotations import Proto
from api.meta.v1 import ObjectMeta


class ParentReference(TypedDict, total=False):
    """The object that has an address."""

    group: Annotated[str, Proto(1), "Its group."]
    resource: Required[Annotated[str, Proto(2), "Its resource."]]
    namespace: Annotated[str, Proto(3), "Its namespace."]
    name: Required[Annotated[str, Proto(4), "Its name."]]


class IPAddressSpec(TypedDict, total=False):
    """Who has an address."""

    parentRef: Required[Annotated[ParentReference, Proto(1), "The object that has it."]]


class IPAddress(TypedDict, total=False):
    """An address that is taken; its name is the address."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[IPAddressSpec, Proto(2), "What is wanted."]]
