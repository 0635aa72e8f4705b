"""Jobs: how many pods, what their failures mean, and what may change once the job exists.

Source: Kubernetes "Jobs"; KEP-3329 (pod failure policy), KEP-3850 (backoff limit per index), KEP-3998 (success policy).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from api.validation.job_policies import validate_failure_policy, validate_success_policy
from api.validation.podspec import validate_template
from machinery import names
from machinery.errors import Cause
from machinery.selectors.labels import label_selector_of, validate_label_selector

Obj = dict[str, Any]

_MODES = ("Indexed", "NonIndexed")
_MAX_PARALLEL_INDEXED = 100_000
_MAX_MANAGED_BY = 63
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_FIXED = (
    "selector",
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
)
# What a suspended job that has not started may still change about its pods.
_SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates", "affinity")


def validate_job(job: Obj) -> Sequence[Cause]:
    errors = Errors()
    spec, meta = job["spec"], job["metadata"]
    if not spec.get("manualSelector"):
        _validate_generated_selector(errors, job)
    validate_job_spec(errors, spec, "spec")
    selector = spec.get("selector")
    if selector is None:
        errors.required("spec.selector")
    else:
        wrong = validate_label_selector(selector, "spec.selector")
        errors.causes += wrong
        labels = _labels(spec)
        if not wrong and not label_selector_of(selector).matches(labels):
            message = "`selector` does not match template `labels`"
            errors.invalid("spec.template.metadata.labels", labels, message)
    if spec.get("completionMode") == "Indexed" and (spec.get("completions") or 0) > 0:
        host = f"{meta.get('name', '')}-{spec['completions'] - 1}"
        for message in names.dns1123_label(host):
            detail = f"will not able to create pod with invalid DNS label: {host}: {message}"
            errors.invalid("metadata.name", meta.get("name", ""), detail)
    return errors.causes


def _labels(spec: Obj) -> dict[str, str]:
    labels: dict[str, str] = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    return labels


def _validate_generated_selector(errors: Errors, job: Obj) -> None:
    """The labels that the server adds must be there, and be these."""
    meta, labels = job["metadata"], _labels(job["spec"])
    if job["spec"].get("selector") is None:
        return
    for key, value in generated_labels(meta).items():
        if key not in labels:
            errors.required("spec.template.metadata.labels", f"must have the label {key}")
        elif labels[key] != value:
            errors.invalid("spec.template.metadata.labels", labels, f"must be '{value}'")
    selector = job["spec"]["selector"]
    readable = not validate_label_selector(selector, "spec.selector")
    if readable and not label_selector_of(selector).matches(generated_labels(meta)):
        errors.invalid("spec.selector", selector, "`selector` not auto-generated")


def generated_labels(meta: Obj) -> dict[str, str]:
    """The labels by which a job knows its pods, under their present names and the old ones."""
    uid, name = meta.get("uid", ""), meta.get("name", "")
    return {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }


def validate_job_spec(errors: Errors, spec: Obj, path: str) -> None:
    """What a Job and the template of a CronJob have in common."""
    for field in _COUNTS:
        errors.non_negative(f"{path}.{field}", spec.get(field))
    indexed = spec.get("completionMode") == "Indexed"
    errors.one_of(f"{path}.completionMode", spec.get("completionMode"), _MODES)
    if indexed:
        if spec.get("completions") is None:
            errors.required(f"{path}.completions", "when completion mode is Indexed")
        parallel = spec.get("parallelism")
        if parallel is not None and parallel > _MAX_PARALLEL_INDEXED:
            limit = f"must be less than or equal to {_MAX_PARALLEL_INDEXED} when completion mode is Indexed"
            errors.invalid(f"{path}.parallelism", parallel, limit)
    _validate_per_index(errors, spec, path, indexed=indexed)
    if spec.get("managedBy") is not None:
        owner = spec["managedBy"]
        errors.invalid_each(f"{path}.managedBy", owner, names.domain_prefixed_path(owner))
        if len(owner) > _MAX_MANAGED_BY:
            errors.too_long(f"{path}.managedBy", _MAX_MANAGED_BY)
    template = spec.get("template") or {}
    validate_template(errors, template, f"{path}.template")
    _validate_restart(errors, spec, path)
    pod = template.get("spec") or {}
    validate_failure_policy(errors, spec, pod, f"{path}.podFailurePolicy")
    validate_success_policy(errors, spec, f"{path}.successPolicy")
    replacing = spec.get("podReplacementPolicy")
    if spec.get("podFailurePolicy") is not None:
        errors.one_of(f"{path}.podReplacementPolicy", replacing, ("Failed",))
    else:
        errors.one_of(f"{path}.podReplacementPolicy", replacing, ("Failed", "TerminatingOrFailed"))


def _validate_restart(errors: Errors, spec: Obj, path: str) -> None:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy", "Always")
    at = f"{path}.template.spec.restartPolicy"
    if policy == "Always":
        errors.required(at, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        errors.not_supported(at, policy, ("OnFailure", "Never"))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        errors.invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _validate_per_index(errors: Errors, spec: Obj, path: str, *, indexed: bool) -> None:
    per_index, most = spec.get("backoffLimitPerIndex"), spec.get("maxFailedIndexes")
    if per_index is not None and not indexed:
        errors.invalid(f"{path}.backoffLimitPerIndex", per_index, "requires indexed completion mode")
    if most is None:
        return
    if not indexed:
        errors.invalid(f"{path}.maxFailedIndexes", most, "requires indexed completion mode")
    if per_index is None:
        errors.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if spec.get("completions") is not None and most > spec["completions"]:
        errors.invalid(f"{path}.maxFailedIndexes", most, "must be less than or equal to completions")


def validate_job_update(job: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    errors.causes += validate_job(job)
    spec, before = job["spec"], old["spec"]
    completions = spec.get("completions")
    elastic = (
        spec.get("completionMode") == "Indexed"
        and completions is not None
        and before.get("completions") == before.get("parallelism")
        and completions == spec.get("parallelism")
    )
    if not elastic:
        errors.immutable("spec.completions", completions, before.get("completions"))
    for field in _FIXED:
        errors.immutable(f"spec.{field}", spec.get(field), before.get(field))
    template = before.get("template") or {}
    if before.get("suspend") and not (old.get("status") or {}).get("startTime"):
        template = _with_scheduling_of(template, spec.get("template") or {})
    errors.immutable("spec.template", spec.get("template"), template)
    return errors.causes


def _with_scheduling_of(template: Obj, new: Obj) -> Obj:
    """The old template with the new one's scheduling, labels and annotations."""
    pod, wanted = dict(template.get("spec") or {}), new.get("spec") or {}
    meta, words = dict(template.get("metadata") or {}), new.get("metadata") or {}
    for target, source, fields in ((pod, wanted, _SCHEDULING), (meta, words, ("labels", "annotations"))):
        for field in fields:
            if field in source:
                target[field] = source[field]
            else:
                target.pop(field, None)
    return {**template, "spec": pod, **({"metadata": meta} if "metadata" in new else {})}


def validate_job_status(job: Obj) -> Sequence[Cause]:
    errors = Errors()
    status = job.get("status") or {}
    for field in ("active", "succeeded", "failed", "ready", "terminating"):
        errors.non_negative(f"status.{field}", status.get(field))
    uncounted = status.get("uncountedTerminatedPods") or {}
    seen: set[str] = set()
    for field in ("succeeded", "failed"):
        for index, uid in enumerate(uncounted.get(field) or ()):
            path = f"status.uncountedTerminatedPods.{field}[{index}]"
            if not uid:
                errors.invalid(path, uid, "must not be empty")
            elif uid in seen:
                errors.duplicate(path, uid)
            seen.add(uid)
    return errors.causes
