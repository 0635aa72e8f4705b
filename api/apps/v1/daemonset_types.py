"""The wire form of DaemonSet."""

from typing import Annotated, Required, TypedDict

from api.annotations import Enum, Int32, Int64, IntOrString, ListMap, Patch, Proto, Time
from api.core.v1.podspec import PodTemplateSpec
from api.meta.v1 import LabelSelector, ObjectMeta


class RollingUpdateDaemonSet(TypedDict, total=False):
    """How many pods may be missing and how many too many during an update."""

    maxUnavailable: Annotated[
        IntOrString,
        Proto(1),
        "How many nodes may be without a pod, as a number or a percentage; 1 where unset.",
    ]
    maxSurge: Annotated[
        IntOrString, Proto(2), "How many nodes may have two, as a number or a percentage; 0 where unset."
    ]


class DaemonSetUpdateStrategy(TypedDict, total=False):
    """How pods of an old template are replaced."""

    type: Annotated[
        str,
        Proto(1),
        Enum("OnDelete", "RollingUpdate"),
        "RollingUpdate, or OnDelete to leave that to the user.",
    ]
    rollingUpdate: Annotated[RollingUpdateDaemonSet, Proto(2), "Settings of a rolling update."]


class DaemonSetSpec(TypedDict, total=False):
    """What a user wants of a daemon set."""

    selector: Required[
        Annotated[
            LabelSelector,
            Proto(1),
            "Which pods are its own; must match the template's labels, cannot be changed.",
        ]
    ]
    template: Required[Annotated[PodTemplateSpec, Proto(2), "The pod to run on every node that it fits."]]
    updateStrategy: Annotated[DaemonSetUpdateStrategy, Proto(3), "How pods of an old template are replaced."]
    minReadySeconds: Annotated[Int32, Proto(4), "How long a pod must have been ready to count as available."]
    revisionHistoryLimit: Annotated[
        Int32, Proto(6), "How many old revisions to keep for going back to; 10 where unset."
    ]


class DaemonSetCondition(TypedDict, total=False):
    """One aspect of a daemon set's state."""

    type: Required[Annotated[str, Proto(1), "Which aspect it is."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    lastTransitionTime: Annotated[Time, Proto(3), "When the status last changed."]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    message: Annotated[str, Proto(5), "Why, in words for people."]


class DaemonSetStatus(TypedDict, total=False):
    """How far a daemon set is."""

    currentNumberScheduled: Required[Annotated[Int32, Proto(1), "Nodes that have a pod and should."]]
    numberMisscheduled: Required[Annotated[Int32, Proto(2), "Nodes that have a pod and should not."]]
    desiredNumberScheduled: Required[Annotated[Int32, Proto(3), "Nodes that should have a pod."]]
    numberReady: Required[Annotated[Int32, Proto(4), "Nodes whose pod is ready."]]
    observedGeneration: Annotated[Int64, Proto(5), "The generation that this was seen of."]
    updatedNumberScheduled: Annotated[Int32, Proto(6), "Nodes whose pod is of the present template."]
    numberAvailable: Annotated[Int32, Proto(7), "Nodes whose pod has been ready for minReadySeconds."]
    numberUnavailable: Annotated[Int32, Proto(8), "Nodes that should have an available pod and have none."]
    collisionCount: Annotated[Int32, Proto(9), "How often the name of a new revision was taken."]
    conditions: Annotated[
        list[DaemonSetCondition],
        Proto(10),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]


class DaemonSet(TypedDict, total=False):
    """One pod on every node, or on every node of a kind."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[DaemonSetSpec, Proto(2), "What is wanted."]
    status: Annotated[DaemonSetStatus, Proto(3), "What is; written by the system."]
