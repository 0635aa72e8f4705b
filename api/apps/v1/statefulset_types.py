"""The wire form of StatefulSet."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Enum, Int32, Int64, IntOrString, ListMap, Patch, Proto, Time
from api.core.v1.persistentvolumeclaim_types import PersistentVolumeClaim
from api.core.v1.podspec import PodTemplateSpec
from api.meta.v1 import LabelSelector, ObjectMeta


class RollingUpdateStatefulSetStrategy(TypedDict, total=False):
    """How far an update goes, and how fast."""

    partition: Annotated[Int32, Proto(1), "Pods with a lower number keep the old template; 0 where unset."]
    maxUnavailable: Annotated[
        IntOrString, Proto(2), "How many pods may be missing, as a number or a percentage; 1 where unset."
    ]


class StatefulSetUpdateStrategy(TypedDict, total=False):
    """How pods of an old template are replaced."""

    type: Annotated[
        str,
        Proto(1),
        Enum("OnDelete", "RollingUpdate"),
        "RollingUpdate, or OnDelete to leave that to the user.",
    ]
    rollingUpdate: Annotated[RollingUpdateStatefulSetStrategy, Proto(2), "Settings of a rolling update."]


class StatefulSetPersistentVolumeClaimRetentionPolicy(TypedDict, total=False):
    """What becomes of claims that are no longer needed."""

    whenDeleted: Annotated[str, Proto(1), "When the set is deleted: Retain or Delete."]
    whenScaled: Annotated[str, Proto(2), "When the set shrinks: Retain or Delete."]


class StatefulSetOrdinals(TypedDict, total=False):
    """How pods are numbered."""

    start: Annotated[Int32, Proto(1), "The first number; 0 where unset."]


class StatefulSetSpec(TypedDict, total=False):
    """What a user wants of a stateful set."""

    replicas: Annotated[Int32, Proto(1), "How many pods are wanted; 1 where unset."]
    selector: Required[
        Annotated[
            LabelSelector,
            Proto(2),
            "Which pods are its own; must match the template's labels, cannot be changed.",
        ]
    ]
    template: Required[Annotated[PodTemplateSpec, Proto(3), "The pod to make copies of."]]
    volumeClaimTemplates: Annotated[
        list[PersistentVolumeClaim], Proto(4), ATOMIC, "Claims to make for every pod."
    ]
    serviceName: Annotated[str, Proto(5), "The headless service that gives its pods their names in DNS."]
    podManagementPolicy: Annotated[
        str,
        Proto(6),
        Enum("OrderedReady", "Parallel"),
        "OrderedReady for one pod after the other, or Parallel.",
    ]
    updateStrategy: Annotated[
        StatefulSetUpdateStrategy, Proto(7), "How pods of an old template are replaced."
    ]
    revisionHistoryLimit: Annotated[
        Int32, Proto(8), "How many old revisions to keep for going back to; 10 where unset."
    ]
    minReadySeconds: Annotated[Int32, Proto(9), "How long a pod must have been ready to count as available."]
    persistentVolumeClaimRetentionPolicy: Annotated[
        StatefulSetPersistentVolumeClaimRetentionPolicy,
        Proto(10),
        "What becomes of claims that are no longer needed.",
    ]
    ordinals: Annotated[StatefulSetOrdinals, Proto(11), "How pods are numbered."]


class StatefulSetCondition(TypedDict, total=False):
    """One aspect of a stateful set's state."""

    type: Required[Annotated[str, Proto(1), "Which aspect it is."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    lastTransitionTime: Annotated[Time, Proto(3), "When the status last changed."]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    message: Annotated[str, Proto(5), "Why, in words for people."]


class StatefulSetStatus(TypedDict, total=False):
    """How far a stateful set is."""

    observedGeneration: Annotated[Int64, Proto(1), "The generation that this was seen of."]
    replicas: Required[Annotated[Int32, Proto(2), "Pods that exist."]]
    readyReplicas: Annotated[Int32, Proto(3), "Pods that are ready."]
    currentReplicas: Annotated[Int32, Proto(4), "Pods of the current revision."]
    updatedReplicas: Annotated[Int32, Proto(5), "Pods of the revision that is being rolled out."]
    currentRevision: Annotated[str, Proto(6), "The revision that is being replaced."]
    updateRevision: Annotated[str, Proto(7), "The revision that is being rolled out."]
    collisionCount: Annotated[Int32, Proto(9), "How often the name of a new revision was taken."]
    conditions: Annotated[
        list[StatefulSetCondition],
        Proto(10),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]
    availableReplicas: Annotated[Int32, Proto(11), "Pods that have been ready for minReadySeconds."]


class StatefulSet(TypedDict, total=False):
    """Pods with a name, a number and storage that stay with them."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[StatefulSetSpec, Proto(2), "What is wanted."]
    status: Annotated[StatefulSetStatus, Proto(3), "What is; written by the system."]
