"""What may change in a pod that exists: nearly nothing of its spec.

An update may change images, activeDeadlineSeconds (shorter), add tolerations, mend a negative grace period, and
while scheduling gates hold the pod: node selector and affinity (tighter) and the gates themselves (fewer).
`pods/ephemeralcontainers` adds debugging containers, `pods/resize` changes resources.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from api.validation.podspec import validate_pod_spec
from api.validation.scheduling import validate_tolerations
from machinery.errors import Cause
from machinery.objects import deep_copy

Obj = dict[str, Any]

_LISTS = ("containers", "initContainers")
_IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_update(pod: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    new_spec, old_spec = pod["spec"], old["spec"]
    for field in _LISTS:
        if len(new_spec.get(field) or ()) != len(old_spec.get(field) or ()):
            errors.forbidden(f"spec.{field}", "pod updates may not add or remove containers")
            return errors.causes
    _validate_images(errors, new_spec)
    _validate_deadline(errors, new_spec.get("activeDeadlineSeconds"), old_spec.get("activeDeadlineSeconds"))
    _validate_tolerations(errors, new_spec.get("tolerations") or [], old_spec.get("tolerations") or [])
    gated = bool(old_spec.get("schedulingGates"))
    _validate_scheduling(errors, new_spec, old_spec, gated=gated)
    if _munged(new_spec, old_spec, gated=gated) != old_spec:
        errors.forbidden("spec", _IMMUTABLE)
    return errors.causes


def _validate_images(errors: Errors, spec: Obj) -> None:
    for field in _LISTS:
        for index, container in enumerate(spec.get(field) or ()):
            if not container.get("image"):
                errors.required(f"spec.{field}[{index}].image")


def _validate_deadline(errors: Errors, new: int | None, old: int | None) -> None:
    path = "spec.activeDeadlineSeconds"
    if new == old:
        return
    if new is None:
        errors.invalid(path, new, "must not update from a positive integer to nil value")
    elif not 0 <= new <= 2**31 - 1:
        errors.invalid(path, new, "must be between 0 and 2147483647, inclusive")
    elif old is not None and new > old:
        errors.invalid(path, new, "must be less than or equal to previous value")


def _validate_tolerations(errors: Errors, new: list[Obj], old: list[Obj]) -> None:
    validate_tolerations(errors, new, "spec.tolerations")
    kept = [_without_seconds(each) for each in new]
    for each in old:
        if each in new:
            continue
        if each.get("effect") != "NoExecute" or _without_seconds(each) not in kept:
            message = "existing toleration can not be modified except its tolerationSeconds"
            errors.forbidden("spec.tolerations", message)
            return


def _without_seconds(toleration: Obj) -> Obj:
    return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}


def _validate_scheduling(errors: Errors, new: Obj, old: Obj, *, gated: bool) -> None:
    had = [each.get("name") for each in old.get("schedulingGates") or ()]
    for index, each in enumerate(new.get("schedulingGates") or ()):
        if each.get("name") not in had:
            message = "only deletion is allowed, but found new scheduling gate " + f"'{each.get('name', '')}'"
            errors.forbidden(f"spec.schedulingGates[{index}]", message)
    if gated:
        selector = new.get("nodeSelector") or {}
        if any(selector.get(key) != value for key, value in (old.get("nodeSelector") or {}).items()):
            errors.invalid("spec.nodeSelector", selector, "only additions are allowed to nodeSelector")


def _munged(new: Obj, old: Obj, *, gated: bool) -> Obj:
    """The new spec with all that may change put back: it must then equal the old."""
    spec: Obj = {**new}
    for field in _LISTS:
        if spec.get(field):
            pairs = zip(spec[field], old[field], strict=True)
            spec[field] = [{**c, "image": was["image"]} if "image" in was else c for c, was in pairs]
    put_back = ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
    if gated:
        put_back += ["nodeSelector", "affinity"]
    if old.get("terminationGracePeriodSeconds", 0) < 0 and new.get("terminationGracePeriodSeconds") == 1:
        put_back.append("terminationGracePeriodSeconds")
    for field in put_back:
        if field in old:
            spec[field] = old[field]
        else:
            spec.pop(field, None)
    return spec


def validate_status_update(pod: Obj, old: Obj) -> Sequence[Cause]:
    """status: a container that ended for good may not run again, under a restart policy that forbids it."""
    errors = Errors()
    new_status, old_status = pod.get("status") or {}, old.get("status") or {}
    policy = pod["spec"].get("restartPolicy", "Always")
    if policy != "Always":
        before = {each["name"]: each for each in old_status.get("containerStatuses") or ()}
        for index, each in enumerate(new_status.get("containerStatuses") or ()):
            ended = (before.get(each.get("name"), {}).get("state") or {}).get("terminated")
            for_good = ended and (policy == "Never" or ended.get("exitCode") == 0)
            own_policy = _own_restart_policy(pod["spec"], each.get("name"))
            if for_good and not own_policy and not (each.get("state") or {}).get("terminated"):
                errors.forbidden(
                    f"status.containerStatuses[{index}].state",
                    "may not be transitioned to non-terminated state",
                )
    nominated = new_status.get("nominatedNodeName")
    if nominated and "/" in nominated:
        errors.invalid("status.nominatedNodeName", nominated, "may not contain '/'")
    return errors.causes


def _own_restart_policy(spec: Obj, name: str | None) -> str:
    for container in spec.get("containers") or ():
        if container.get("name") == name:
            return str(container.get("restartPolicy") or "")
    return ""


def validate_ephemeral_update(pod: Obj, old: Obj) -> Sequence[Cause]:
    """pods/ephemeralcontainers: existing ones stay as they are, new ones are valid."""
    errors = Errors()
    new_list = pod["spec"].get("ephemeralContainers") or []
    old_list = old["spec"].get("ephemeralContainers") or []
    validate_pod_spec(errors, pod["spec"], "spec")
    by_name = {each.get("name"): each for each in new_list}
    for index, each in enumerate(old_list):
        path = f"spec.ephemeralContainers[{index}]"
        now = by_name.get(each.get("name"))
        if now is None:
            errors.forbidden(path, f'existing ephemeral containers "{each.get("name")}" may not be removed')
        elif now != each:
            errors.forbidden(path, f'existing ephemeral containers "{each.get("name")}" may not be changed')
    return errors.causes


def with_resources_of(old_spec: Obj, new_spec: Obj) -> Obj:
    """The old spec with the resources (and resize policies) of the new one's containers."""
    spec: Obj = deep_copy(old_spec)
    for field in _LISTS:
        wanted = {each.get("name"): each for each in new_spec.get(field) or ()}
        for container in spec.get(field) or ():
            source = wanted.get(container.get("name"), {})
            for part in ("resources", "resizePolicy"):
                if part in source:
                    container[part] = source[part]
    if "resources" in new_spec:
        spec["resources"] = new_spec["resources"]
    return spec


def validate_resize(pod: Obj, old: Obj) -> Sequence[Cause]:
    from api.core.v1.pod_qos import qos_class

    errors = Errors()
    validate_pod_spec(errors, pod["spec"], "spec")
    if qos_class(pod["spec"]) != ((old.get("status") or {}).get("qosClass") or qos_class(old["spec"])):
        errors.invalid("spec", qos_class(pod["spec"]), "Pod QOS Class may not change as a result of resizing")
    for field in _LISTS:
        pairs = zip(pod["spec"].get(field) or (), old["spec"].get(field) or (), strict=False)
        for index, (new, was) in enumerate(pairs):
            for part in ("limits", "requests"):
                gone = sorted(_amounts(was, part).keys() - _amounts(new, part).keys())
                if gone:
                    path = f"spec.{field}[{index}].resources.{part}"
                    errors.forbidden(path, f"resource {part} cannot be removed")
    return errors.causes


def _amounts(container: Obj, part: str) -> Obj:
    amounts: Obj = (container.get("resources") or {}).get(part) or {}
    return amounts
