"""The wire form of Job, and the template that a CronJob makes Jobs of."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, SET, Enum, Int32, Int64, Patch, Proto, Time
from api.core.v1.podspec import PodTemplateSpec
from api.meta.v1 import LabelSelector, ObjectMeta


class PodFailurePolicyOnExitCodesRequirement(TypedDict, total=False):
    """A condition on the exit code of a container."""

    containerName: Annotated[str, Proto(1), "The container; any where unset."]
    operator: Required[Annotated[str, Proto(2), Enum("In", "NotIn"), "In or NotIn."]]
    values: Required[Annotated[list[Int32], Proto(3), SET, "The exit codes, ascending."]]


class PodFailurePolicyOnPodConditionsPattern(TypedDict, total=False):
    """A condition on a condition of a pod."""

    type: Required[Annotated[str, Proto(1), "The condition."]]
    status: Annotated[str, Proto(2), "Its status; True where unset."]


class PodFailurePolicyRule(TypedDict, total=False):
    """What a failure means."""

    action: Required[
        Annotated[
            str,
            Proto(1),
            Enum("Count", "FailIndex", "FailJob", "Ignore"),
            "Ignore, Count, FailIndex or FailJob.",
        ]
    ]
    onExitCodes: Annotated[PodFailurePolicyOnExitCodesRequirement, Proto(2), "Holds for these exit codes."]
    onPodConditions: Annotated[
        list[PodFailurePolicyOnPodConditionsPattern],
        Proto(3),
        ATOMIC,
        "Holds for these conditions of the pod.",
    ]


class PodFailurePolicy(TypedDict, total=False):
    """What failures mean; the first rule that holds decides."""

    rules: Required[Annotated[list[PodFailurePolicyRule], Proto(1), ATOMIC, "The rules."]]


class SuccessPolicyRule(TypedDict, total=False):
    """When a job may be called done early."""

    succeededIndexes: Annotated[str, Proto(1), "Indexes that must succeed, such as 1,3-5."]
    succeededCount: Annotated[Int32, Proto(2), "How many indexes must succeed."]


class SuccessPolicy(TypedDict, total=False):
    """When a job may be called done early; any rule suffices."""

    rules: Required[Annotated[list[SuccessPolicyRule], Proto(1), ATOMIC, "The rules."]]


class JobSpec(TypedDict, total=False):
    """What a user wants of a job."""

    parallelism: Annotated[Int32, Proto(1), "How many pods may run at the same time; 1 where unset."]
    completions: Annotated[Int32, Proto(2), "How many pods must succeed."]
    activeDeadlineSeconds: Annotated[Int64, Proto(3), "How long the job may take."]
    selector: Annotated[
        LabelSelector, Proto(4), "Which pods are its own; made by the system unless manualSelector is set."
    ]
    manualSelector: Annotated[bool, Proto(5), "Whether the user picks the selector."]
    template: Required[Annotated[PodTemplateSpec, Proto(6), "The pod to run."]]
    backoffLimit: Annotated[Int32, Proto(7), "How many pods may fail; 6 where unset."]
    ttlSecondsAfterFinished: Annotated[Int32, Proto(8), "How long a finished job is kept."]
    completionMode: Annotated[
        str, Proto(9), Enum("Indexed", "NonIndexed"), "NonIndexed, or Indexed to give every pod a number."
    ]
    suspend: Annotated[bool, Proto(10), "Whether pods are not to be made now."]
    podFailurePolicy: Annotated[PodFailurePolicy, Proto(11), "What failures mean."]
    backoffLimitPerIndex: Annotated[Int32, Proto(12), "How many pods of one index may fail."]
    maxFailedIndexes: Annotated[Int32, Proto(13), "How many indexes may fail."]
    podReplacementPolicy: Annotated[
        str,
        Proto(14),
        Enum("Failed", "TerminatingOrFailed"),
        "Whether to replace pods that end already, or only those that failed.",
    ]
    managedBy: Annotated[str, Proto(15), "Which controller runs it; cannot be changed."]
    successPolicy: Annotated[SuccessPolicy, Proto(16), "When it may be called done early."]


class JobCondition(TypedDict, total=False):
    """One aspect of a job's state."""

    type: Required[Annotated[str, Proto(1), "Complete, Failed, Suspended or the like."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    lastProbeTime: Annotated[Time, Proto(3), "When it was last looked at."]
    lastTransitionTime: Annotated[Time, Proto(4), "When the status last changed."]
    reason: Annotated[str, Proto(5), "Why, in a word for machines."]
    message: Annotated[str, Proto(6), "Why, in words for people."]


class UncountedTerminatedPods(TypedDict, total=False):
    """Pods that ended and are not counted yet."""

    succeeded: Annotated[list[str], Proto(1), SET, "Ids of pods that succeeded."]
    failed: Annotated[list[str], Proto(2), SET, "Ids of pods that failed."]


class JobStatus(TypedDict, total=False):
    """How far a job is."""

    conditions: Annotated[
        list[JobCondition],
        Proto(1),
        ATOMIC,
        Patch("merge", "type"),
        "Aspects of its state; one says how it ended.",
    ]
    startTime: Annotated[Time, Proto(2), "When it started."]
    completionTime: Annotated[Time, Proto(3), "When it was done."]
    active: Annotated[Int32, Proto(4), "Pods that are neither ended nor ending."]
    succeeded: Annotated[Int32, Proto(5), "Pods that succeeded."]
    failed: Annotated[Int32, Proto(6), "Pods that failed."]
    completedIndexes: Annotated[str, Proto(7), "Indexes that are done, such as 1,3-5."]
    uncountedTerminatedPods: Annotated[
        UncountedTerminatedPods, Proto(8), "Pods that ended and are not counted yet."
    ]
    ready: Annotated[Int32, Proto(9), "Pods that are ready."]
    failedIndexes: Annotated[str, Proto(10), "Indexes that failed, such as 1,3-5."]
    terminating: Annotated[Int32, Proto(11), "Pods that are on their way out."]


class Job(TypedDict, total=False):
    """Pods that run until enough of them succeed."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[JobSpec, Proto(2), "What is wanted."]
    status: Annotated[JobStatus, Proto(3), "What is; written by the system."]


class JobTemplateSpec(TypedDict, total=False):
    """The job that a CronJob makes."""

    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[JobSpec, Proto(2), "What is wanted."]
