"""Job: pods that run until enough of them succeed."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, field, workload_columns
from api.core.v1.pod_defaults import default_pod_spec
from api.resource import Column
from api.strategy import SpecStatusStrategy
from api.validation.job import generated_labels, validate_job, validate_job_update, warn_of_job
from api.validation.job_status import validate_job_status
from machinery.clock import parse_rfc3339
from machinery.durations import human_duration
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_NO_LIMIT = 2**31 - 1
# The conditions that say how a job is, the telling ones first.
_ENDS = ("Complete", "Failed")
_STATES = ("Suspended", "FailureTarget", "SuccessCriteriaMet")


class JobStrategy(SpecStatusStrategy):
    orphans_dependents = True
    orphans_advice = (
        "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them "
        "or set propagationPolicy=Orphan to suppress this warning"
    )

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        if spec.get("completions") is None and spec.get("parallelism") is None:
            spec["completions"] = spec["parallelism"] = 1
        spec.setdefault("parallelism", 1)
        spec.setdefault("backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else _NO_LIMIT)
        spec.setdefault("completionMode", "NonIndexed")
        spec.setdefault("suspend", False)
        spec.setdefault("manualSelector", False)
        policy = spec.get("podFailurePolicy")
        spec.setdefault("podReplacementPolicy", "TerminatingOrFailed" if policy is None else "Failed")
        for rule in (policy or {}).get("rules") or ():
            for pattern in rule.get("onPodConditions") or ():
                if not pattern.get("status"):
                    pattern["status"] = "True"
        template = spec.setdefault("template", {})
        labels = (template.get("metadata") or {}).get("labels")
        if labels and not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)
        default_pod_spec(template.setdefault("spec", {}))

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {}
        spec, meta = obj["spec"], obj["metadata"]
        if spec.get("manualSelector") or not meta.get("uid"):
            return
        labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
        for key, value in generated_labels(meta).items():
            labels.setdefault(key, value)
        if spec.get("selector") is None:
            spec["selector"] = {}
        key = "batch.kubernetes.io/controller-uid"
        spec["selector"].setdefault("matchLabels", {}).setdefault(key, meta["uid"])
        if not meta.get("labels"):
            meta["labels"] = dict(labels)

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_job(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_job_update(obj, old)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_job_status(obj, old)

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        return (*super().warnings(obj, old), *warn_of_job(obj, old))


def _status(obj: Obj, now: float) -> str:
    conditions = field(obj, "status", "conditions") or ()
    true = {each["type"] for each in conditions if each.get("status") == "True"}
    for end in _ENDS:
        if end in true:
            return end
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((state for state in _STATES if state in true), "Running")


def _completions(obj: Obj, now: float) -> str:
    spec, done = obj["spec"], field(obj, "status", "succeeded") or 0
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallel = spec.get("parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _duration(obj: Obj, now: float) -> str:
    status = obj.get("status") or {}
    if not status.get("startTime"):
        return ""
    end = parse_rfc3339(status["completionTime"]) if status.get("completionTime") else now
    return human_duration(end - parse_rfc3339(status["startTime"]))


JOB = builtin(
    GVR("batch", "v1", "jobs", kind="Job"),
    "api.batch.v1.job_types:Job",
    strategy=JobStrategy(),
    columns=(
        NAME,
        Column("Status", _status, description="How it is: Running, Complete, Failed, Suspended."),
        Column("Completions", _completions, description="Pods that succeeded, of all that should."),
        Column("Duration", _duration, description="How long it runs, or ran."),
        AGE,
        *workload_columns(),
    ),
    categories=("all",),
    subresources=(status_of("Job"),),
    selectable_fields={"status.successful": ".status.succeeded|=0"},
)
