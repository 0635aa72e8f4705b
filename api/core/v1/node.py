"""TODO module"""

from typing import TYPE_CHECKING, Annotated, Required, TypedDict

from api.annotations import ATOMIC, SET, In, Patch, Proto, Time
from api.core.v1.node_status import NodeConfigSource
from api.meta.v1 import ObjectMeta

if TYPE_CHECKING:
    from api.core.v1.node_status import NodeStatus


class Taint(TypedDict, total=False):
    """TODO Taint"""

    key: Required[Annotated[str, Proto(1)]]
    value: Annotated[str, Proto(2)]
    effect: Required[Annotated[str, Proto(3)]]
    timeAdded: Annotated[Time, Proto(4)]


class NodeSpec(TypedDict, total=False):
    """TODO NodeSpec"""

    podCIDR: Annotated[str, Proto(1)]
    externalID: Annotated[str, Proto(2)]
    providerID: Annotated[str, Proto(3)]
    unschedulable: Annotated[bool, Proto(4)]
    taints: Annotated[list[Taint], Proto(5), ATOMIC]
    configSource: Annotated[NodeConfigSource, Proto(6)]
    podCIDRs: Annotated[list[str], Proto(7), SET, Patch("merge")]


class Node(TypedDict, total=False):
    """TODO Node"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Annotated[NodeSpec, Proto(2)]
    status: Annotated["NodeStatus", Proto(3), In("api.core.v1.node_status")]
