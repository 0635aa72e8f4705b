"""CronJob: jobs by the clock."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, NONE, field, flag, since, text, workload_columns
from api.core.v1.pod_defaults import default_pod_spec
from api.resource import Column
from api.strategy import SpecStatusStrategy
from api.validation.errors import Errors
from api.validation.job import validate_job_spec, warn_of_job_spec
from api.validation.schedule import schedule_errors
from api.validation.workload import name_warnings
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

# Eleven characters are left for what the controller adds to the names of its jobs.
_MAX_NAME = 52
_POLICIES = ("Allow", "Forbid", "Replace")
_ZONE_PART = re.compile(r"(?!-)[A-Za-z._0-9+-]{1,14}")


class CronJobStrategy(SpecStatusStrategy):
    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("concurrencyPolicy"):
            spec["concurrencyPolicy"] = "Allow"
        spec.setdefault("suspend", False)
        spec.setdefault("successfulJobsHistoryLimit", 3)
        spec.setdefault("failedJobsHistoryLimit", 1)
        job = spec.setdefault("jobTemplate", {}).setdefault("spec", {})
        default_pod_spec(job.setdefault("template", {}).setdefault("spec", {}))

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        name = obj["metadata"].get("name", "")
        _validate_spec(errors, obj["spec"], None)
        if len(name) > _MAX_NAME:
            errors.invalid("metadata.name", name, f"must be no more than {_MAX_NAME} characters")
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        _validate_spec(errors, obj["spec"], old["spec"])
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        path = "spec.jobTemplate.spec"
        job, before = (field(each or {}, *path.split(".")) for each in (obj, old))
        found = [*super().warnings(obj, old), *name_warnings(obj, old)]
        found += warn_of_job_spec(job or {}, before, path)
        if "TZ" in obj["spec"].get("schedule", "") and old is not None:
            found.append(
                "CRON_TZ or TZ used in schedule is not officially supported, "
                "see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
            )
        return found


def _validate_spec(errors: Errors, spec: Obj, old: Obj | None) -> None:
    schedule = spec.get("schedule", "")
    if not schedule:
        errors.required("spec.schedule")
    else:
        _validate_schedule(errors, schedule, spec.get("timeZone"), old)
    errors.non_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if old is None or spec.get("timeZone") != old.get("timeZone"):
        _validate_zone(errors, spec.get("timeZone"))
    errors.one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), _POLICIES, required=True)
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    path = "spec.jobTemplate.spec"
    before = None if old is None else (old.get("jobTemplate") or {}).get("spec") or {}
    validate_job_spec(errors, job, path, before)
    if job.get("selector") is not None:
        errors.invalid(f"{path}.selector", job["selector"], "`selector` will be auto-generated")
    if job.get("manualSelector"):
        errors.not_supported(f"{path}.manualSelector", True, ("nil", "false"))
    errors.non_negative("spec.successfulJobsHistoryLimit", spec.get("successfulJobsHistoryLimit"))
    errors.non_negative("spec.failedJobsHistoryLimit", spec.get("failedJobsHistoryLimit"))


def _validate_schedule(errors: Errors, schedule: str, zone: str | None, old: Obj | None) -> None:
    """A zone stands in a field of its own; who wrote it into the schedule long ago may go on."""
    errors.invalid_each("spec.schedule", schedule, schedule_errors(schedule))
    if "TZ" not in schedule:
        return
    if old is None or "TZ" not in old.get("schedule", ""):
        said = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        errors.invalid("spec.schedule", schedule, said)
    elif zone is not None:
        said = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        errors.invalid("spec.schedule", schedule, said)


def _validate_zone(errors: Errors, zone: str | None) -> None:
    path = "spec.timeZone"
    if zone is None:
        return
    if not zone:
        errors.invalid(path, zone, "timeZone must be nil or non-empty string")
        return
    if any(part in (".", "..") or not _ZONE_PART.fullmatch(part) for part in zone.split("/")):
        errors.invalid(path, zone, f"unknown time zone {zone}")
        return
    if zone.lower() == "local":
        message = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        errors.invalid(path, zone, message)
    if not _is_zone(zone):
        errors.invalid(path, zone, f"unknown time zone {zone}")


@cache
def _zones() -> frozenset[str]:
    from zoneinfo import available_timezones

    return frozenset(available_timezones())


def _is_zone(zone: str) -> bool:
    if zone in ("Local", "UTC"):
        return True
    return zone in _zones() or not _zones()  # a machine without a zone database knows none


def _last(obj: Obj, now: float) -> str:
    last = field(obj, "status", "lastScheduleTime")
    return since(last, now) if last else NONE


CRONJOB = builtin(
    GVR("batch", "v1", "cronjobs", kind="CronJob"),
    "api.batch.v1.cronjob_types:CronJob",
    strategy=CronJobStrategy(),
    columns=(
        NAME,
        Column("Schedule", ".spec.schedule", description="When it makes jobs."),
        Column("Timezone", text("spec", "timeZone"), description="The time zone of the schedule."),
        Column(
            "Suspend", flag("spec", "suspend"), type="boolean", description="Whether it makes no jobs now."
        ),
        Column(
            "Active",
            lambda obj, now: len(field(obj, "status", "active") or ()),
            type="integer",
            description="Jobs that run now.",
        ),
        Column("Last Schedule", _last, description="When it last made a job."),
        AGE,
        *workload_columns("spec", "jobTemplate", "spec"),
    ),
    short_names=("cj",),
    categories=("all",),
    subresources=(status_of("CronJob"),),
)
