"""Claims of storage, on their own and in the template of a pod's volume or of a StatefulSet.

Source: Kubernetes "Persistent Volumes", "Volume populators", KEP-1790 (recovery from a failed growth), KEP-3751.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from api.validation.parameters import VOLUME_MODES, validate_access_modes
from api.validation.resources import sign_of, validate_amount_of
from machinery import names, quantity
from machinery.errors import Cause
from machinery.resource_names import is_native
from machinery.selectors.labels import validate_label_selector

Obj = dict[str, Any]

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_RESIZE_STATES = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
)


def validate_claim_spec(
    errors: Errors, spec: Obj, path: str, *, odd_selector: bool = False, odd_group: bool = False
) -> None:
    """`odd_*`: what the stored claim has already and may keep."""
    if not spec.get("accessModes"):
        errors.required(f"{path}.accessModes", "at least 1 access mode is required")
    for cause in validate_label_selector(spec.get("selector"), f"{path}.selector"):
        if not (odd_selector and ".values[" in cause.field):
            errors.causes.append(cause)
    validate_access_modes(errors, spec.get("accessModes") or [], f"{path}.accessModes")
    size = storage_of(spec)
    if size is None:
        errors.required(f"{path}.resources[storage]")
    elif sign_of(size) <= 0:
        errors.invalid(f"{path}.resources[storage]", size, "must be greater than zero")
    name = spec.get("storageClassName")
    if name:
        errors.invalid_each(f"{path}.storageClassName", name, names.dns1123_subdomain(name))
    if (mode := spec.get("volumeMode")) is not None and mode not in VOLUME_MODES:
        errors.not_supported(f"{path}.volumeMode", mode, VOLUME_MODES)
    _validate_sources(errors, spec, path, odd_group)
    if attributes := spec.get("volumeAttributesClassName"):
        where = f"{path}.volumeAttributesClassName"
        errors.invalid_each(where, attributes, names.dns1123_subdomain(attributes))


def storage_of(spec: Obj) -> str | None:
    size: str | None = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    return size


def _validate_sources(errors: Errors, spec: Obj, path: str, odd_group: bool) -> None:
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    for field, each in (("dataSource", source), ("dataSourceRef", ref)):
        if each is None:
            continue
        at = f"{path}.{field}"
        for key in ("name", "kind"):
            if not each.get(key):
                errors.required(f"{at}.{key}")
        group, kind = each.get("apiGroup") or "", each.get("kind") or ""
        if not group and kind != "PersistentVolumeClaim":
            message = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
            errors.invalid(at, kind, message)
        if group and not odd_group:
            errors.invalid_each(f"{at}.apiGroup", group, names.dns1123_subdomain(group))
        if space := each.get("namespace"):
            errors.invalid_each(f"{at}.namespace", space, names.dns1123_label(space))
    if source is None or ref is None:
        return
    if ref.get("namespace"):
        message = "may not be specified when dataSourceRef.namespace is specified"
        errors.invalid(path, f"{path}.dataSource", message)
    elif any(source.get(key) != ref.get(key) for key in ("apiGroup", "kind", "name")):
        errors.invalid(path, f"{path}.dataSource", "must match dataSourceRef")


def validate_claim(claim: Obj, old: Obj | None = None) -> Sequence[Cause]:
    errors = Errors()
    was = (old or {}).get("spec") or {}
    odd_group = any((was.get(field) or {}).get("apiGroup") for field in ("dataSource", "dataSourceRef"))
    odd_selector = bool(validate_label_selector(was.get("selector"), ""))
    validate_claim_spec(errors, claim["spec"], "spec", odd_selector=odd_selector, odd_group=odd_group)
    return errors.causes


def validate_claim_update(claim: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    errors.causes += validate_claim(claim, old)
    errors.causes += errors.causes[:]  # told twice: on its own, and as an update
    spec, before = dict(claim["spec"]), dict(old["spec"])
    if not before.get("volumeName"):  # binding names the volume
        spec.pop("volumeName", None)
        before.pop("volumeName", None)
    _compare_classes(errors, claim, old, spec, before)
    status = old.get("status") or {}
    size, was = storage_of(claim["spec"]), storage_of(old["spec"])
    if status.get("phase") == "Bound":
        for each in (spec, before):
            each.pop("volumeAttributesClassName", None)
        if (spec.get("resources") or {}).get("requests"):
            spec["resources"], before["resources"] = _without_size(spec), _without_size(before)
    if spec != before:
        errors.forbidden("spec", _FIXED)
    if quantity.parse(size or "0") < quantity.parse(was or "0"):
        held = (status.get("capacity") or {}).get("storage", "0")
        if quantity.parse(size or "0") <= quantity.parse(held):
            message = "field can not be less than status.capacity"
            errors.forbidden("spec.resources.requests.storage", message)
    errors.immutable("volumeMode", claim["spec"].get("volumeMode"), old["spec"].get("volumeMode"))
    _validate_attributes(errors, claim["spec"].get("volumeAttributesClassName"), old)
    return errors.causes


def _compare_classes(errors: Errors, claim: Obj, old: Obj, spec: Obj, before: Obj) -> None:
    """A class may be given where there was none, and moved from its old annotation to its field."""
    noted = (claim["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    was_noted = (old["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    wanted = spec.get("storageClassName")
    fresh = wanted is not None and before.get("storageClassName") is None
    if fresh and was_noted is not None and wanted == was_noted and noted in (None, was_noted):
        del spec["storageClassName"]
        return
    errors.immutable(f"metadata.annotations.{CLASS_ANNOTATION}", noted or "", was_noted or "")
    if fresh and was_noted in (None, wanted):
        del spec["storageClassName"]


def _validate_attributes(errors: Errors, name: str | None, old: Obj) -> None:
    if name == old["spec"].get("volumeAttributesClassName"):
        return
    if (old.get("status") or {}).get("currentVolumeAttributesClassName") is None or name:
        return
    to = "nil" if name is None else "empty string"
    message = f"update to {to} is forbidden when status.currentVolumeAttributesClassName is not nil"
    errors.forbidden("spec.volumeAttributesClassName", message)


def _without_size(spec: Obj) -> Obj:
    resources = dict(spec.get("resources") or {})
    resources["requests"] = {k: v for k, v in (resources.get("requests") or {}).items() if k != "storage"}
    return resources


def validate_claim_status(claim: Obj) -> Sequence[Cause]:
    errors = Errors()
    status = claim.get("status") or {}
    for name, amount in (status.get("capacity") or {}).items():
        _validate_basic(errors, amount, f"status.capacity[{name}]")
    for name, state in (status.get("allocatedResourceStatuses") or {}).items():
        at = "status.allocatedResourceStatuses"
        _validate_key(errors, name, at)
        if state not in _RESIZE_STATES:
            errors.not_supported(at, name, _RESIZE_STATES)
    for name, amount in (status.get("allocatedResources") or {}).items():
        at = f"status.allocatedResources[{name}]"
        if _validate_key(errors, name, "status.allocatedResources") and _validate_basic(errors, amount, at):
            validate_amount_of(errors, "storage", amount, at)
    return errors.causes


def _validate_key(errors: Errors, name: str, path: str) -> bool:
    bad = names.qualified_name(name)
    errors.invalid_each(path, name, bad)
    if not bad and is_native(name) and name != "storage":
        errors.not_supported(path, name, ("storage",))
        return False
    return not bad


def _validate_basic(errors: Errors, amount: str, path: str) -> bool:
    if sign_of(amount) < 0:
        errors.invalid(path, quantity.value(amount), "must be a valid resource quantity")
        return False
    return True


def claim_spec_warnings(spec: Obj, path: str) -> list[str]:
    out = []
    for part in ("requests", "limits"):
        size = ((spec.get("resources") or {}).get(part) or {}).get("storage")
        if size is not None and quantity.milli_value(size) % 1000:
            out.append(
                f'{path}.resources.{part}[storage]: fractional byte value "{size}" is invalid, must be an integer'
            )
    return out


def claim_warnings(claim: Obj) -> list[str]:
    out = []
    if CLASS_ANNOTATION in (claim["metadata"].get("annotations") or {}):
        out.append(
            f'metadata.annotations[{CLASS_ANNOTATION}]: deprecated since v1.8; use "storageClassName" attribute instead'
        )
    return out + claim_spec_warnings(claim["spec"], "spec")
