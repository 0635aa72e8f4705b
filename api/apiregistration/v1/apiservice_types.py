"""The wire form of APIService."""

from typing import Annotated, Required, TypedDict

from api.annotations import Bytes, Int32, ListMap, Patch, Proto, Time
from api.meta.v1 import ObjectMeta


class ServiceReference(TypedDict, total=False):
    """A service that answers."""

    namespace: Annotated[str, Proto(1), "Its namespace."]
    name: Annotated[str, Proto(2), "Its name."]
    port: Annotated[Int32, Proto(3), "Its port; 443 where unset."]


class APIServiceSpec(TypedDict, total=False):
    """Who serves a group and version."""

    service: Annotated[
        ServiceReference, Proto(1), "The service that answers; this server itself where unset."
    ]
    group: Annotated[str, Proto(2), "The group."]
    version: Annotated[str, Proto(3), "The version."]
    insecureSkipTLSVerify: Annotated[bool, Proto(4), "Whether to take any certificate of it."]
    caBundle: Annotated[Bytes, Proto(5), "Authorities in PEM that its certificate is checked by."]
    groupPriorityMinimum: Required[
        Annotated[Int32, Proto(7), "How far to the front the group goes; higher is further."]
    ]
    versionPriority: Required[
        Annotated[
            Int32, Proto(8), "How far to the front the version goes within its group; higher is further."
        ]
    ]


class APIServiceCondition(TypedDict, total=False):
    """One aspect of an API service's state."""

    type: Required[Annotated[str, Proto(1), "Available."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    lastTransitionTime: Annotated[Time, Proto(3), "When the status last changed."]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    message: Annotated[str, Proto(5), "Why, in words for people."]


class APIServiceStatus(TypedDict, total=False):
    """Whether a group and version can be had."""

    conditions: Annotated[
        list[APIServiceCondition],
        Proto(1),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]


class APIService(TypedDict, total=False):
    """Says who serves a group and version."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[APIServiceSpec, Proto(2), "What is wanted."]
    status: Annotated[APIServiceStatus, Proto(3), "What is; written by the system."]
