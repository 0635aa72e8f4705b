"""TODO module"""

from typing import TYPE_CHECKING, Annotated, Required, TypedDict

from api.annotations import In, Int32, Int64, IntOrString, ListMap, Patch, Proto, Time
from api.meta.v1 import LabelSelector, ObjectMeta

if TYPE_CHECKING:
    from api.core.v1.podspec import PodTemplateSpec


class RollingUpdateDeployment(TypedDict, total=False):
    """TODO RollingUpdateDeployment"""

    maxUnavailable: Annotated[IntOrString, Proto(1)]
    maxSurge: Annotated[IntOrString, Proto(2)]


class DeploymentStrategy(TypedDict, total=False):
    """TODO DeploymentStrategy"""

    type: Annotated[str, Proto(1)]
    rollingUpdate: Annotated[RollingUpdateDeployment, Proto(2)]


class DeploymentSpec(TypedDict, total=False):
    """TODO DeploymentSpec"""

    replicas: Annotated[Int32, Proto(1)]
    selector: Required[Annotated[LabelSelector, Proto(2)]]
    template: Required[Annotated["PodTemplateSpec", Proto(3), In("api.core.v1.podspec")]]
    strategy: Annotated[DeploymentStrategy, Proto(4), Patch("retainKeys")]
    minReadySeconds: Annotated[Int32, Proto(5)]
    revisionHistoryLimit: Annotated[Int32, Proto(6)]
    paused: Annotated[bool, Proto(7)]
    progressDeadlineSeconds: Annotated[Int32, Proto(9)]


class DeploymentCondition(TypedDict, total=False):
    """TODO DeploymentCondition"""

    type: Required[Annotated[str, Proto(1)]]
    status: Required[Annotated[str, Proto(2)]]
    reason: Annotated[str, Proto(4)]
    message: Annotated[str, Proto(5)]
    lastUpdateTime: Annotated[Time, Proto(6)]
    lastTransitionTime: Annotated[Time, Proto(7)]


class DeploymentStatus(TypedDict, total=False):
    """TODO DeploymentStatus"""

    observedGeneration: Annotated[Int64, Proto(1)]
    replicas: Annotated[Int32, Proto(2)]
    updatedReplicas: Annotated[Int32, Proto(3)]
    availableReplicas: Annotated[Int32, Proto(4)]
    unavailableReplicas: Annotated[Int32, Proto(5)]
    conditions: Annotated[list[DeploymentCondition], Proto(6), ListMap("type"), Patch("merge", "type")]
    readyReplicas: Annotated[Int32, Proto(7)]
    collisionCount: Annotated[Int32, Proto(8)]
    terminatingReplicas: Annotated[Int32, Proto(9)]


class Deployment(TypedDict, total=False):
    """TODO Deployment"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Annotated[DeploymentSpec, Proto(2)]
    status: Annotated[DeploymentStatus, Proto(3)]
