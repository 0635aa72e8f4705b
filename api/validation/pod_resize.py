"""pods/resize: cpu and memory of containers, of sidecars and init containers, and of the pod as a whole.

Source: KEP-1287 (in-place resize), KEP-5419 (of pod-level resources).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.core.v1.pod_qos import qos_class
from api.validation.errors import Errors
from api.validation.pod_annotations import MIRROR
from api.validation.pod_update import LISTS, options_of
from api.validation.podspec import validate_whole_pod
from machinery.errors import Cause
from machinery.objects import deep_copy

Obj = dict[str, Any]

_RESIZED = ("cpu", "memory")


def with_resources_of(old_spec: Obj, new_spec: Obj) -> Obj:
    """The old spec with the resources and resize policies of the new one's containers.

    A spec whose containers are others is given back as it came, for validation to refuse.
    """
    spec: Obj = deep_copy(old_spec)
    for field in LISTS:
        wanted, had = new_spec.get(field) or [], spec.get(field) or []
        if len(wanted) != len(had):
            return new_spec
        if any(new.get("name") != old.get("name") for new, old in zip(wanted, had, strict=True)):
            spec[field] = wanted
            continue
        for container, source in zip(had, wanted, strict=True):
            for part in ("resources", "resizePolicy"):
                if part in source:
                    container[part] = source[part]
                else:
                    container.pop(part, None)
    if "resources" in new_spec:
        spec["resources"] = new_spec["resources"]
    else:
        spec.pop("resources", None)
    return spec


def validate_resize(pod: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    new_spec, old_spec = pod["spec"], old["spec"]
    if MIRROR in (old["metadata"].get("annotations") or {}):
        errors.forbidden("[]", "static pods cannot be resized")
        return errors.causes
    if (old_spec.get("os") or {}).get("name") == "windows":
        errors.forbidden("[]", "windows pods cannot be resized")
        return errors.causes
    validate_whole_pod(errors, new_spec, pod["metadata"], options_of(old))
    status = old.get("status") or {}
    if qos_class(new_spec) != (status.get("qosClass") or qos_class(old_spec)):
        shown = (pod.get("status") or {}).get("qosClass", "")
        errors.invalid("spec", shown, "Pod QOS Class may not change as a result of resizing")
    if not _can_be_resized(status):
        errors.forbidden("spec", "Pod running on node without support for resize")
    spec: Obj = {**new_spec}
    _validate_pod_level(errors, spec, old_spec)
    if not _validate_order(errors, new_spec, old_spec):
        return errors.causes
    for field in reversed(LISTS):
        pairs = zip(new_spec.get(field) or (), old_spec.get(field) or (), strict=True)
        for index, (new, was) in enumerate(pairs):
            path = f"spec.{field}[{index}].resources"
            _validate_kept(errors, new, was, path, "resource {} cannot be removed")
    _validate_only_resized(errors, spec, old_spec)
    if not errors and spec != old_spec:
        errors.forbidden("spec", "only cpu and memory resources are mutable")
    return errors.causes


def _can_be_resized(status: Obj) -> bool:
    """A node that can, tells a running container's resources."""
    for each in status.get("containerStatuses") or ():
        if (each.get("state") or {}).get("running") is not None:
            return each.get("resources") is not None
    return True


def _amounts(thing: Obj, part: str) -> Obj:
    amounts: Obj = (thing.get("resources") or {}).get(part) or {}
    return amounts


def _validate_kept(errors: Errors, new: Obj, old: Obj, path: str, words: str) -> None:
    for part in ("requests", "limits"):
        if _amounts(old, part).keys() - _amounts(new, part).keys():
            errors.forbidden(f"{path}.{part}", words.format(part))


def _validate_pod_level(errors: Errors, spec: Obj, old: Obj) -> None:
    """Also puts back, in `spec`, what of the pod's own resources may change."""
    if not any(_amounts(each, part) for each in (spec, old) for part in ("requests", "limits")):
        return
    if old.get("resources") is not None and spec.get("resources") is None:
        errors.forbidden("spec.resources", "pod-level resources cannot be removed")
        return
    if old.get("resources") is not None:
        _validate_kept(errors, spec, old, "spec.resources", "pod-level resource {} cannot be removed")
    kept = _put_back(spec.get("resources") or {}, old.get("resources") or {})
    if old.get("resources") is None and not any(kept.values()):
        spec.pop("resources", None)
    else:
        spec["resources"] = kept
    if not _same(spec.get("resources"), old.get("resources")):
        errors.forbidden("spec", "only cpu and memory resources are mutable at pod-level")


def _put_back(resources: Obj, old: Obj) -> Obj:
    """The resources with the old amounts of cpu and memory."""
    out = {key: value for key, value in resources.items() if key == "claims"}
    for part in ("limits", "requests"):
        amounts = {k: v for k, v in (resources.get(part) or {}).items() if k not in _RESIZED}
        amounts |= {k: v for k, v in (old.get(part) or {}).items() if k in _RESIZED}
        if amounts:
            out[part] = amounts
    return out


def _same(one: Obj | None, other: Obj | None) -> bool:
    def filled(resources: Obj | None) -> Obj:
        return {key: value for key, value in (resources or {}).items() if value}

    return filled(one) == filled(other)


def _validate_order(errors: Errors, new: Obj, old: Obj) -> bool:
    good = True
    for field in LISTS:
        wanted, had = new.get(field) or [], old.get(field) or []
        if len(wanted) != len(had):
            errors.forbidden(f"spec.{field}", f"{field} may not be added or removed on resize")
            good = False
            continue
        for index, (each, was) in enumerate(zip(wanted, had, strict=True)):
            if each.get("name") != was.get("name"):
                message = f"{field} may not be renamed or reordered on resize"
                errors.forbidden(f"spec.{field}[{index}].name", message)
                good = False
    return good


def _validate_only_resized(errors: Errors, spec: Obj, old: Obj) -> None:
    """Also puts back, in `spec`, what of its containers may change."""
    for field in LISTS:
        if not spec.get(field):
            continue
        kept = []
        for index, (new, was) in enumerate(zip(spec[field], old[field], strict=True)):
            resources = _put_back(new.get("resources") or {}, was.get("resources") or {})
            resources.pop("claims", None)
            container = {**new, "resources": was.get("resources") or {}}
            same = _same(resources, was.get("resources")) and container == {"resources": {}, **was}
            if not same and field == "containers":
                errors.forbidden("spec", "only cpu and memory resources are mutable")
            elif not same:
                message = "only cpu and memory resources for init or sidecar containers are mutable"
                errors.forbidden(f"spec.{field}[{index}]", message)
            if field == "initContainers" and new != was and new.get("restartPolicy") != "Always":
                _refuse_restarting(errors, new, f"spec.{field}[{index}]")
            kept.append(was if same else new)
        spec[field] = kept


def _refuse_restarting(errors: Errors, container: Obj, path: str) -> None:
    for policy in container.get("resizePolicy") or ():
        if policy.get("restartPolicy") == "RestartContainer":
            message = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
            errors.forbidden(path, message)
