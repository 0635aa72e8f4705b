"""The wire form of Endpoints."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Enum, Int32, Proto, atomic
from api.core.v1.reference import ObjectReference
from api.meta.v1 import ObjectMeta


@atomic
class EndpointAddress(TypedDict, total=False):
    """An address of something behind a service."""

    ip: Required[Annotated[str, Proto(1), "The address; neither loopback, nor link-local, nor multicast."]]
    targetRef: Annotated[ObjectReference, Proto(2), "The object behind it."]
    hostname: Annotated[str, Proto(3), "Its own name in DNS."]
    nodeName: Annotated[str, Proto(4), "The node it is on."]


@atomic
class EndpointPort(TypedDict, total=False):
    """A port of something behind a service."""

    name: Annotated[str, Proto(1), "The service's name for it; needed where there are several."]
    port: Required[Annotated[Int32, Proto(2), "Its number."]]
    protocol: Annotated[str, Proto(3), Enum("SCTP", "TCP", "UDP"), "TCP, UDP or SCTP; TCP where unset."]
    appProtocol: Annotated[str, Proto(4), "What is spoken on it."]


class EndpointSubset(TypedDict, total=False):
    """Addresses that share their ports."""

    addresses: Annotated[list[EndpointAddress], Proto(1), ATOMIC, "Addresses that take traffic."]
    notReadyAddresses: Annotated[
        list[EndpointAddress], Proto(2), ATOMIC, "Addresses that do not take traffic yet, or not any more."
    ]
    ports: Annotated[list[EndpointPort], Proto(3), ATOMIC, "Ports of all these addresses."]


class Endpoints(TypedDict, total=False):
    """All addresses behind a service; EndpointSlice's forerunner."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    subsets: Annotated[
        list[EndpointSubset], Proto(2), ATOMIC, "The addresses, in groups that share their ports."
    ]
