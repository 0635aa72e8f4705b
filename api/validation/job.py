"""Jobs: how many pods, what their failures mean, and what may change once the job exists.

Source: Kubernetes "Jobs"; KEP-3329 (pod failure policy), KEP-3850 (backoff limit per index), KEP-3998 (success policy).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.domains import validate_prefixed_path
from api.validation.errors import Errors
from api.validation.job_policies import validate_failure_policy, validate_success_policy
from api.validation.job_template import allowed_template
from api.validation.podspec import validate_template
from api.validation.workload import name_warnings, template_of, template_warnings
from machinery import names
from machinery.errors import Cause
from machinery.selectors.labels import label_selector_of, validate_label_selector

Obj = dict[str, Any]

_MODES = ("NonIndexed", "Indexed")
_MAX_PARALLEL_INDEXED = _MAX_FAILED_INDEXES = _MANY_COMPLETIONS = 100_000
# Indexed jobs of many completions that retry each index by itself.
_MAX_OF_MANY = 10_000
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
_FIXED = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
_PREFIX = "batch.kubernetes.io/"
_UNTRACKED = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, "
    "Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
)


def validate_job(job: Obj, old: Obj | None = None) -> Sequence[Cause]:
    """A new job, or an old one's successor, whose selector may be of a time before labels had prefixes."""
    errors = Errors()
    spec, meta = job["spec"], job["metadata"]
    if not spec.get("manualSelector"):
        _validate_generated_selector(errors, job, old)
    validate_job_spec(errors, spec, "spec", None if old is None else old["spec"])
    selector = spec.get("selector")
    if selector is None:
        errors.required("spec.selector")
    else:
        errors.causes += validate_label_selector(selector, "spec.selector")
    labels = _labels(spec)
    if not _selects(selector, labels):
        errors.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    if spec.get("completionMode") == "Indexed" and (spec.get("completions") or 0) > 0:
        name = meta.get("name", "")
        host = f"{name}-{spec['completions'] - 1}"
        if names.dns1123_label(host):
            errors.invalid(
                "metadata.name", name, f"will not able to create pod with invalid DNS label: {host}"
            )
    return errors.causes


def _selects(selector: Obj | None, labels: dict[str, str]) -> bool:
    """Whether it does; one that cannot be read is told elsewhere. An absent one selects nothing."""
    if selector is None:
        return False
    if validate_label_selector(selector, ""):
        return True
    return label_selector_of(selector).matches(labels)


def _labels(spec: Obj) -> dict[str, str]:
    labels: dict[str, str] = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    return labels


def _validate_generated_selector(errors: Errors, job: Obj, old: Obj | None) -> None:
    """The labels that the server adds must be there, and be these."""
    spec = job["spec"]
    if spec.get("selector") is None:
        return
    labels, wanted = _labels(spec), generated_labels(job["metadata"])
    if old is not None and not all(key in _labels(old["spec"]) for key in wanted if key.startswith(_PREFIX)):
        wanted = {key: value for key, value in wanted.items() if not key.startswith(_PREFIX)}
    for key, value in wanted.items():
        at = f"spec.template.metadata.labels[{key}]"
        if key not in labels:
            errors.required(at, f"must be '{value}'")
        elif labels[key] != value:
            errors.invalid(at, labels, f"must be '{value}'")
    if not _selects(spec["selector"], wanted):
        errors.invalid("spec.selector", spec["selector"], "`selector` not auto-generated")


def generated_labels(meta: Obj) -> dict[str, str]:
    """The labels by which a job knows its pods, under their old names and the present ones."""
    uid, name = meta.get("uid", ""), meta.get("name", "")
    return {
        "controller-uid": uid,
        "job-name": name,
        f"{_PREFIX}controller-uid": uid,
        f"{_PREFIX}job-name": name,
    }


def validate_job_spec(errors: Errors, spec: Obj, path: str, old: Obj | None) -> None:
    """What a Job and the template of a CronJob have in common."""
    for field in _COUNTS:
        errors.non_negative(f"{path}.{field}", spec.get(field))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        errors.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if spec.get("managedBy") is not None:
        owner = spec["managedBy"]
        validate_prefixed_path(errors, owner, f"{path}.managedBy")
        if len(owner) > _MAX_MANAGED_BY:
            errors.too_long(f"{path}.managedBy", _MAX_MANAGED_BY)
    mode = spec.get("completionMode")
    if mode is not None and mode not in _MODES:
        errors.not_supported(f"{path}.completionMode", mode, _MODES)
    elif mode == "Indexed":
        _validate_indexed(errors, spec, path)
    else:
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                errors.invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")
    template = spec.get("template") or {}
    validate_failure_policy(errors, spec, template.get("spec") or {}, f"{path}.podFailurePolicy")
    validate_success_policy(errors, spec, f"{path}.successPolicy")
    replacing = spec.get("podReplacementPolicy")
    good = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    if replacing is not None and replacing not in good:
        errors.not_supported(f"{path}.podReplacementPolicy", replacing, good)
    validate_template(errors, template, f"{path}.template", template_of(old))
    _validate_restart(errors, spec, path)


def _validate_indexed(errors: Errors, spec: Obj, path: str) -> None:
    completions, parallel = spec.get("completions"), spec.get("parallelism") or 0
    most = spec.get("maxFailedIndexes")
    if completions is None:
        errors.required(f"{path}.completions", "when completion mode is Indexed")
    if parallel > _MAX_PARALLEL_INDEXED:
        limit = f"must be less than or equal to {_MAX_PARALLEL_INDEXED} when completion mode is Indexed"
        errors.invalid(f"{path}.parallelism", parallel, limit)
    if completions is not None and most is not None and most > completions:
        errors.invalid(f"{path}.maxFailedIndexes", most, "must be less than or equal to completions")
    if most is not None and most > _MAX_FAILED_INDEXES:
        errors.invalid(
            f"{path}.maxFailedIndexes", most, f"must be less than or equal to {_MAX_FAILED_INDEXES}"
        )
    if (completions or 0) <= _MANY_COMPLETIONS or spec.get("backoffLimitPerIndex") is None:
        return
    many = f"completions are above {_MANY_COMPLETIONS} and used with backoff limit per index"
    if most is None:
        said = f"must be specified when completions is above {_MANY_COMPLETIONS}"
        errors.required(f"{path}.maxFailedIndexes", said)
    for field, value in (("parallelism", parallel), ("maxFailedIndexes", most or 0)):
        if value > _MAX_OF_MANY:
            said = f"must be less than or equal to {_MAX_OF_MANY} when {many}"
            errors.invalid(f"{path}.{field}", value, said)


def _validate_restart(errors: Errors, spec: Obj, path: str) -> None:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy") or "Always"
    at = f"{path}.template.spec.restartPolicy"
    if policy == "Always":
        errors.required(at, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        errors.not_supported(at, policy, ("OnFailure", "Never"))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        errors.invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')


def validate_job_update(job: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    errors.causes += validate_job(job, old)
    spec, before = job["spec"], old["spec"]
    completions = spec.get("completions")
    if spec.get("completionMode") != "Indexed":
        errors.immutable("spec.completions", completions, before.get("completions"))
    elif completions not in (None, before.get("completions"), spec.get("parallelism")):
        said = "can only be modified in tandem with spec.parallelism"
        errors.invalid("spec.completions", completions, said)
    errors.immutable("spec.selector", spec.get("selector"), before.get("selector"))
    template = spec.get("template") or {}
    errors.immutable("spec.template", template, allowed_template(old, template))
    for field in _FIXED:
        errors.immutable(f"spec.{field}", spec.get(field), before.get(field))
    return errors.causes


def warn_of_job(job: Obj, old: Obj | None) -> Sequence[str]:
    """Advice on a new job, or on one whose spec has changed."""
    if old is not None and job["spec"] == old["spec"]:
        return ()
    before = None if old is None else old["spec"]
    return (*name_warnings(job, old), *warn_of_job_spec(job["spec"], before, "spec"))


def warn_of_job_spec(spec: Obj, old: Obj | None, path: str) -> Sequence[str]:
    completions, parallel = spec.get("completions") or 0, spec.get("parallelism") or 0
    indexed = spec.get("completionMode") == "Indexed"
    untracked = indexed and completions > _MANY_COMPLETIONS and parallel > _MAX_OF_MANY
    before = None if old is None else old.get("template")
    advice = template_warnings(spec.get("template"), before, f"{path}.template")
    return (f"{path}: {_UNTRACKED}", *advice) if untracked else advice
