"""What may change in a pod that exists: nearly nothing of its spec.

An update may change images, activeDeadlineSeconds (shorter), add tolerations, mend a negative grace period, and
while scheduling gates hold the pod: node selector and affinity (tighter) and the gates themselves (fewer).
`pods/ephemeralcontainers` adds debugging containers, `pods/resize` changes resources (`pod_resize.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.containers import validate_plain_image
from api.validation.errors import Errors
from api.validation.pod_annotations import MIRROR, validate_annotations, validate_annotations_update
from api.validation.pod_options import PodOptions
from api.validation.pod_ratchets import options_for
from api.validation.podspec import validate_whole_pod
from api.validation.scheduling import validate_tolerations
from machinery.errors import Cause

Obj = dict[str, Any]

LISTS = ("containers", "initContainers")
_IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_INT32_MAX = 2**31 - 1
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def options_of(old: Obj) -> PodOptions:
    return options_for(old["spec"], old["metadata"], is_pod=True)


def validate_metadata(errors: Errors, pod: Obj, old: Obj, options: PodOptions) -> None:
    """Annotations that speak of the pod: as they may become, and once more as they are."""
    validate_annotations_update(errors, pod["metadata"], old["metadata"], "metadata.annotations")
    found = pod["metadata"].get("annotations")
    validate_annotations(errors, found, pod["spec"], "metadata.annotations", options)


def validate_update(pod: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    options, new_spec, old_spec = options_of(old), pod["spec"], old["spec"]
    if new_spec != old_spec or pod["metadata"].get("annotations") != old["metadata"].get("annotations"):
        validate_whole_pod(errors, new_spec, pod["metadata"], options)
        validate_metadata(errors, pod, old, options)
    for field in LISTS:
        if len(new_spec.get(field) or ()) != len(old_spec.get(field) or ()):
            errors.forbidden(f"spec.{field}", "pod updates may not add or remove containers")
            return errors.causes
        for index, container in enumerate(new_spec.get(field) or ()):
            if not container.get("image"):
                errors.required(f"spec.{field}[{index}].image")
            validate_plain_image(errors, container, f"spec.{field}[{index}]")
    deadline = new_spec.get("activeDeadlineSeconds"), old_spec.get("activeDeadlineSeconds")
    if not _validate_deadline(errors, *deadline):
        return errors.causes
    _validate_tolerations(errors, new_spec.get("tolerations") or [], old_spec.get("tolerations") or [])
    _validate_gates(errors, new_spec, old_spec)
    if new_spec != old_spec and _munged(errors, new_spec, old_spec) != old_spec:
        errors.forbidden("spec", _IMMUTABLE)
    return errors.causes


def _validate_deadline(errors: Errors, new: int | None, old: int | None) -> bool:
    """Whether to look further."""
    path = "spec.activeDeadlineSeconds"
    if new is None:
        if old is not None:
            errors.invalid(path, None, "must not update from a positive integer to nil value")
        return True
    if not 0 <= new <= _INT32_MAX:
        errors.invalid(path, new, f"must be between 0 and {_INT32_MAX}, inclusive")
    elif old is not None and new > old:
        errors.invalid(path, new, "must be less than or equal to previous value")
    else:
        return True
    return False


def _validate_tolerations(errors: Errors, new: list[Obj], old: list[Obj]) -> None:
    kept = [_without_seconds(each) for each in new]
    if any(_without_seconds(each) not in kept for each in old):
        message = "existing toleration can not be modified except its tolerationSeconds"
        errors.forbidden("spec.tolerations", message)
    elif new != old:
        validate_tolerations(errors, new, "spec.tolerations")


def _without_seconds(toleration: Obj) -> Obj:
    return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}


def _validate_gates(errors: Errors, new: Obj, old: Obj) -> None:
    had = {each.get("name") for each in old.get("schedulingGates") or ()}
    last = {each.get("name", ""): index for index, each in enumerate(new.get("schedulingGates") or ())}
    for name, index in last.items():
        if name not in had:
            message = f"only deletion is allowed, but found new scheduling gate '{name}'"
            errors.forbidden(f"spec.schedulingGates[{index}].name", message)


def _munged(errors: Errors, new: Obj, old: Obj) -> Obj:
    """The new spec with all that may change put back: it must then equal the old."""
    spec: Obj = {**new}
    for field in LISTS:
        if spec.get(field):
            pairs = zip(spec[field], old[field], strict=True)
            spec[field] = [{**c, "image": was["image"]} if "image" in was else c for c, was in pairs]
    put_back = ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
    if old.get("terminationGracePeriodSeconds", 0) < 0 and new.get("terminationGracePeriodSeconds") == 1:
        put_back.append("terminationGracePeriodSeconds")
    if old.get("schedulingGates"):
        _validate_tightened(errors, new, old)
        put_back.append("nodeSelector")
        spec["affinity"] = {**(spec.get("affinity") or {})}
        _put_back(spec["affinity"], old.get("affinity") or {}, "nodeAffinity")
        if not spec["affinity"] and not old.get("affinity"):
            _put_back(spec, old, "affinity")
    for field in put_back:
        _put_back(spec, old, field)
    return spec


def _put_back(obj: Obj, old: Obj, field: str) -> None:
    if field in old:
        obj[field] = old[field]
    else:
        obj.pop(field, None)


def _validate_tightened(errors: Errors, new: Obj, old: Obj) -> None:
    """A pod that is held by gates may come to fit fewer nodes, never others."""
    selector, was = new.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if any(selector.get(key) != value for key, value in was.items()):
        message = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.invalid("spec.nodeSelector", selector, message)
    path = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
    terms, had = _terms(new), _terms(old)
    if had and len(terms) != len(had):
        message = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        errors.invalid(path, terms, message)
        return
    for index, (term, before) in enumerate(zip(terms, had, strict=False)):
        if not _only_adds(term, before):
            message = "only additions are allowed (no mutations or deletions)"
            errors.invalid(f"{path}[{index}]", term, message)


def _terms(spec: Obj) -> list[Obj]:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms: list[Obj] = (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or []
    return terms


def _only_adds(term: Obj, before: Obj) -> bool:
    """An empty term matches nothing: additions would widen it."""
    if not before.get("matchExpressions") and not before.get("matchFields"):
        return not term.get("matchExpressions") and not term.get("matchFields")
    for field in ("matchExpressions", "matchFields"):
        had = before.get(field) or []
        if (term.get(field) or [])[: len(had)] != had:
            return False
    return True


def validate_ephemeral_update(pod: Obj, old: Obj) -> Sequence[Cause]:
    """pods/ephemeralcontainers: existing ones stay as they are, new ones are valid."""
    errors = Errors()
    if MIRROR in (old["metadata"].get("annotations") or {}):
        errors.forbidden("[]", "static pods do not support ephemeral containers")
        return errors.causes
    options = options_of(old)
    validate_whole_pod(errors, pod["spec"], pod["metadata"], options)
    validate_metadata(errors, pod, old, options)
    by_name = {each.get("name"): each for each in pod["spec"].get("ephemeralContainers") or ()}
    path = "spec.ephemeralContainers"
    for each in old["spec"].get("ephemeralContainers") or ():
        now = by_name.get(each.get("name"))
        if now is None:
            errors.forbidden(path, f'existing ephemeral containers "{each.get("name")}" may not be removed\n')
        elif now != each:
            errors.forbidden(path, f'existing ephemeral containers "{each.get("name")}" may not be changed\n')
    return errors.causes
