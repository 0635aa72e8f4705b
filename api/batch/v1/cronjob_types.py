"""The wire form of CronJob."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Enum, Int32, Int64, Proto, Time
from api.batch.v1.job_types import JobTemplateSpec
from api.core.v1.reference import ObjectReference
from api.meta.v1 import ObjectMeta


class CronJobSpec(TypedDict, total=False):
    """What a user wants of a cron job."""

    schedule: Required[Annotated[str, Proto(1), "When, in the form of cron."]]
    startingDeadlineSeconds: Annotated[Int64, Proto(2), "How late a job may still start."]
    concurrencyPolicy: Annotated[
        str,
        Proto(3),
        Enum("Allow", "Forbid", "Replace"),
        "Allow, Forbid, or Replace, where the last job still runs.",
    ]
    suspend: Annotated[bool, Proto(4), "Whether jobs are not to be made now."]
    jobTemplate: Required[Annotated[JobTemplateSpec, Proto(5), "The job to make."]]
    successfulJobsHistoryLimit: Annotated[
        Int32, Proto(6), "How many jobs that succeeded are kept; 3 where unset."
    ]
    failedJobsHistoryLimit: Annotated[Int32, Proto(7), "How many jobs that failed are kept; 1 where unset."]
    timeZone: Annotated[str, Proto(8), "The time zone of the schedule; that of the controller where unset."]


class CronJobStatus(TypedDict, total=False):
    """How a cron job is."""

    active: Annotated[list[ObjectReference], Proto(1), ATOMIC, "Jobs that run now."]
    lastScheduleTime: Annotated[Time, Proto(4), "When a job was last made."]
    lastSuccessfulTime: Annotated[Time, Proto(5), "When a job last succeeded."]


class CronJob(TypedDict, total=False):
    """Jobs by the clock."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[CronJobSpec, Proto(2), "What is wanted."]]
    status: Annotated[CronJobStatus, Proto(3), "What is; written by the system."]
