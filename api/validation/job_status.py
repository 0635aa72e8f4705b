"""How far a job is: what its status may say, and what it may not take back.

Controllers that are not ours write it, too (spec.managedBy), hence the many rules. Most hold only for what a write
changes: who left a wrong status behind does not stop others from writing the rest. Source: KEP-4368.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from api.validation.job_indexes import NotIndexes, first_shared, intervals
from machinery.clock import parse_rfc3339
from machinery.errors import Cause
from machinery.field_errors import OMITTED

Obj = dict[str, Any]

_COUNTS = ("active", "succeeded", "failed", "ready", "terminating")
_CONDITIONS = "status.conditions"


class _Status:
    """One status, and what of it is true."""

    def __init__(self, job: Obj) -> None:
        self.all: Obj = job.get("status") or {}
        self._true = {
            each.get("type") for each in self.all.get("conditions") or () if each.get("status") == "True"
        }
        self.complete, self.failed = self.is_true("Complete"), self.is_true("Failed")
        self.finished = self.complete or self.failed
        self.met, self.to_fail = self.is_true("SuccessCriteriaMet"), self.is_true("FailureTarget")

    def is_true(self, kind: str) -> bool:
        return kind in self._true

    def __getitem__(self, field: str) -> Any:
        return self.all.get(field)


def validate_job_status(job: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    new, was, spec = _Status(job), _Status(old), job["spec"]
    for field in _COUNTS:
        errors.non_negative(f"status.{field}", new[field])
    _validate_uncounted(errors, new["uncountedTerminatedPods"] or {})
    changed = {field for field in (*new.all, *was.all) if new[field] != was[field]}
    _validate_end(errors, new, was, changed)
    ends = new.finished != was.finished
    if new.finished:
        _validate_nothing_left(errors, spec, new, changed, ends=ends)
    _validate_indexes(errors, spec, new, changed)
    if new.finished and (ends or "terminating" in changed) and (new["terminating"] or 0) > 0:
        errors.invalid("status.terminating", new["terminating"], "terminating>0 is invalid for finished job")
    if changed & {"ready", "active"} and (new["ready"] or 0) > (new["active"] or 0):
        errors.invalid("status.ready", new["ready"], "cannot set more ready pods than active")
    _validate_success(errors, spec, new)
    _validate_what_stays(errors, spec, new, was)
    return errors.causes


def _validate_uncounted(errors: Errors, uncounted: Obj) -> None:
    seen: set[str] = set()
    for field in ("succeeded", "failed"):
        for index, uid in enumerate(uncounted.get(field) or ()):
            path = f"status.uncountedTerminatedPods.{field}[{index}]"
            if not uid:
                errors.invalid(path, uid, "must not be empty")
            elif uid in seen:
                errors.duplicate(path, uid)
            seen.add(uid)


def _validate_end(errors: Errors, new: _Status, was: _Status, changed: set[str]) -> None:
    """Conditions and times of a job that ends."""
    ended, started = new["completionTime"], new["startTime"]
    completes = new.complete != was.complete
    if (completes or new.failed != was.failed) and new.complete and new.failed:
        errors.invalid(_CONDITIONS, OMITTED, "cannot set Complete=True and Failed=true conditions")
    if (completes or new.to_fail != was.to_fail) and new.complete and new.to_fail:
        errors.invalid(_CONDITIONS, OMITTED, "cannot set Complete=True and FailureTarget=true conditions")
    if completes or "completionTime" in changed:
        if ended and not new.complete:
            said = "cannot set completionTime when there is no Complete=True condition"
            errors.invalid("status.completionTime", ended, said)
        if new.complete and not ended:
            errors.required("status.completionTime", "completionTime is required for Complete jobs")
    moved = changed & {"startTime", "completionTime"} and started and ended
    if moved and parse_rfc3339(ended) < parse_rfc3339(started):
        errors.invalid("status.completionTime", ended, "completionTime cannot be set before startTime")
    if new.failed and not new.to_fail and new.failed != was.failed:
        said = "cannot set Failed=True condition without the FailureTarget=true condition"
        errors.invalid(_CONDITIONS, OMITTED, said)
    if new.complete and not new.met and completes:
        said = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        errors.invalid(_CONDITIONS, OMITTED, said)


def _validate_nothing_left(errors: Errors, spec: Obj, new: _Status, changed: set[str], *, ends: bool) -> None:
    """A job that is over has no pods, and has begun; but for one that waited and wanted none."""
    if (ends or "active" in changed) and (new["active"] or 0) > 0:
        errors.invalid("status.active", new["active"], "active>0 is invalid for finished job")
    wanted_none = spec.get("suspend") and spec.get("completions") == 0
    if (ends or "startTime" in changed) and not new["startTime"] and not wanted_none:
        errors.required("status.startTime", "startTime is required for finished job")
    uncounted = new["uncountedTerminatedPods"] or {}
    if (ends or "uncountedTerminatedPods" in changed) and any(uncounted.values()):
        said = "uncountedTerminatedPods needs to be empty for finished job"
        errors.invalid("status.uncountedTerminatedPods", uncounted, said)


def _validate_indexes(errors: Errors, spec: Obj, new: _Status, changed: set[str]) -> None:
    done, failed = new["completedIndexes"] or "", new["failedIndexes"]
    completions, per_index = spec.get("completions"), spec.get("backoffLimitPerIndex")
    done_changed, failed_changed = "completedIndexes" in changed, "failedIndexes" in changed
    if completions is not None:
        if done_changed:
            _validate_text(errors, "completedIndexes", done, completions)
        if failed_changed and per_index is not None and failed is not None:
            _validate_text(errors, "failedIndexes", failed, completions)
    if done_changed and done and spec.get("completionMode") != "Indexed":
        said = "cannot set non-empty completedIndexes when non-indexed completion mode"
        errors.invalid("status.completedIndexes", done, said)
    if failed is None:
        return
    if failed_changed and per_index is None:
        said = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        errors.invalid("status.failedIndexes", failed, said)
    if (done_changed or failed_changed) and completions is not None:
        shared = first_shared(done, failed, completions)
        if shared is not None:
            said = f"failedIndexes and completedIndexes overlap at index: {shared}"
            errors.invalid("status.failedIndexes", failed, said)


def _validate_text(errors: Errors, field: str, text: str, completions: int) -> None:
    try:
        intervals(text, completions)
    except NotIndexes as bad:
        errors.invalid(f"status.{field}", text, f"error parsing {field}: {bad}")


def _validate_success(errors: Errors, spec: Obj, new: _Status) -> None:
    if new.met and new.failed:
        said = "cannot set SuccessCriteriaMet=True and Failed=true conditions"
        errors.invalid(_CONDITIONS, OMITTED, said)
    if new.met and new.to_fail:
        said = "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"
        errors.invalid(_CONDITIONS, OMITTED, said)
    if spec.get("successPolicy") is not None and new.complete and not new.met:
        said = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        errors.invalid(_CONDITIONS, OMITTED, said)


def _validate_what_stays(errors: Errors, spec: Obj, new: _Status, was: _Status) -> None:
    for kind in ("Failed", "Complete", "FailureTarget"):
        if was.is_true(kind) and not new.is_true(kind):
            errors.invalid(_CONDITIONS, OMITTED, f"cannot disable the terminal {kind}=True condition")
    # Who scales an indexed job takes successes back.
    elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    for field in ("failed",) if elastic else ("failed", "succeeded"):
        if (new[field] or 0) < (was[field] or 0):
            errors.invalid(f"status.{field}", new[field] or 0, f"cannot decrease the {field} counter")
    if new["completionTime"] and was["completionTime"] and new["completionTime"] != was["completionTime"]:
        errors.invalid("status.completionTime", new["completionTime"], "completionTime cannot be mutated")
    if was["startTime"] and was["startTime"] != new["startTime"] and not spec.get("suspend"):
        errors.required("status.startTime", "startTime cannot be removed for unsuspended job")
    if was.met and not new.met:
        errors.invalid(_CONDITIONS, OMITTED, "cannot disable the SuccessCriteriaMet=True condition")
    if was.complete and not was.met and new.met:
        said = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        errors.invalid(_CONDITIONS, OMITTED, said)
