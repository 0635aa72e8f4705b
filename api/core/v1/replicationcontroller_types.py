"""The wire form of ReplicationController."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC_MAP, Int32, Int64, ListMap, Patch, Proto, Time
from api.core.v1.podspec import PodTemplateSpec
from api.meta.v1 import ObjectMeta


class ReplicationControllerSpec(TypedDict, total=False):
    """What a user wants of a replication controller."""

    replicas: Annotated[Int32, Proto(1), "How many pods are wanted; 1 where unset."]
    selector: Annotated[
        dict[str, str],
        Proto(2),
        ATOMIC_MAP,
        "Labels of the pods that it counts; those of the template where unset.",
    ]
    template: Annotated[PodTemplateSpec, Proto(3), "The pod to make copies of."]
    minReadySeconds: Annotated[Int32, Proto(4), "How long a pod must have been ready to count as available."]


class ReplicationControllerCondition(TypedDict, total=False):
    """One aspect of a replication controller's state."""

    type: Required[Annotated[str, Proto(1), "ReplicaFailure or the like."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    lastTransitionTime: Annotated[Time, Proto(3), "When the status last changed."]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    message: Annotated[str, Proto(5), "Why, in words for people."]


class ReplicationControllerStatus(TypedDict, total=False):
    """How many pods there are."""

    replicas: Required[Annotated[Int32, Proto(1), "Pods that exist."]]
    fullyLabeledReplicas: Annotated[Int32, Proto(2), "Pods that carry all labels of the template."]
    observedGeneration: Annotated[Int64, Proto(3), "The generation that this was seen of."]
    readyReplicas: Annotated[Int32, Proto(4), "Pods that are ready."]
    availableReplicas: Annotated[Int32, Proto(5), "Pods that have been ready for minReadySeconds."]
    conditions: Annotated[
        list[ReplicationControllerCondition],
        Proto(6),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]


class ReplicationController(TypedDict, total=False):
    """A number of equal pods, kept at that number; ReplicaSet's forerunner."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[ReplicationControllerSpec, Proto(2), "What is wanted."]
    status: Annotated[ReplicationControllerStatus, Proto(3), "What is; written by the system."]
