"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, SET, Int32, Proto, atomic
from api.core.v1.reference import ObjectReference
from api.meta.v1 import ObjectMeta


class EndpointConditions(TypedDict, total=False):
    """TODO EndpointConditions"""

    ready: Annotated[bool, Proto(1)]
    serving: Annotated[bool, Proto(2)]
    terminating: Annotated[bool, Proto(3)]


class ForZone(TypedDict, total=False):
    """TODO ForZone"""

    name: Required[Annotated[str, Proto(1)]]


class ForNode(TypedDict, total=False):
    """TODO ForNode"""

    name: Required[Annotated[str, Proto(1)]]


class EndpointHints(TypedDict, total=False):
    """TODO EndpointHints"""

    forZones: Annotated[list[ForZone], Proto(1), ATOMIC]
    forNodes: Annotated[list[ForNode], Proto(2), ATOMIC]


class Endpoint(TypedDict, total=False):
    """TODO Endpoint"""

    addresses: Required[Annotated[list[str], Proto(1), SET]]
    conditions: Annotated[EndpointConditions, Proto(2)]
    hostname: Annotated[str, Proto(3)]
    targetRef: Annotated[ObjectReference, Proto(4)]
    deprecatedTopology: Annotated[dict[str, str], Proto(5)]
    nodeName: Annotated[str, Proto(6)]
    zone: Annotated[str, Proto(7)]
    hints: Annotated[EndpointHints, Proto(8)]


@atomic
class EndpointPort(TypedDict, total=False):
    """TODO EndpointPort"""

    name: Annotated[str, Proto(1)]
    protocol: Annotated[str, Proto(2)]
    port: Annotated[Int32, Proto(3)]
    appProtocol: Annotated[str, Proto(4)]


class EndpointSlice(TypedDict, total=False):
    """TODO EndpointSlice"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    endpoints: Annotated[list[Endpoint], Proto(2), ATOMIC]
    ports: Annotated[list[EndpointPort], Proto(3), ATOMIC]
    addressType: Required[Annotated[str, Proto(4)]]
