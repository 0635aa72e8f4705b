"""TODO module"""

from typing import TYPE_CHECKING, Annotated, Required, TypedDict

from api.annotations import In, Int32, Int64, ListMap, Patch, Proto, Time
from api.meta.v1 import LabelSelector, ObjectMeta

if TYPE_CHECKING:
    from api.core.v1.podspec import PodTemplateSpec


class ReplicaSetSpec(TypedDict, total=False):
    """TODO ReplicaSetSpec"""

    replicas: Annotated[Int32, Proto(1)]
    selector: Required[Annotated[LabelSelector, Proto(2)]]
    template: Annotated["PodTemplateSpec", Proto(3), In("api.core.v1.podspec")]
    minReadySeconds: Annotated[Int32, Proto(4)]


class ReplicaSetCondition(TypedDict, total=False):
    """TODO ReplicaSetCondition"""

    type: Required[Annotated[str, Proto(1)]]
    status: Required[Annotated[str, Proto(2)]]
    lastTransitionTime: Annotated[Time, Proto(3)]
    reason: Annotated[str, Proto(4)]
    message: Annotated[str, Proto(5)]


class ReplicaSetStatus(TypedDict, total=False):
    """TODO ReplicaSetStatus"""

    replicas: Required[Annotated[Int32, Proto(1)]]
    fullyLabeledReplicas: Annotated[Int32, Proto(2)]
    observedGeneration: Annotated[Int64, Proto(3)]
    readyReplicas: Annotated[Int32, Proto(4)]
    availableReplicas: Annotated[Int32, Proto(5)]
    conditions: Annotated[list[ReplicaSetCondition], Proto(6), ListMap("type"), Patch("merge", "type")]
    terminatingReplicas: Annotated[Int32, Proto(7)]


class ReplicaSet(TypedDict, total=False):
    """TODO ReplicaSet"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Annotated[ReplicaSetSpec, Proto(2)]
    status: Annotated[ReplicaSetStatus, Proto(3)]
