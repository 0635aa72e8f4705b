"""Claims of storage, on their own and in the template of a pod's volume or of a StatefulSet.

Source: Kubernetes "Persistent Volumes", "Volume populators".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from api.validation.parameters import VOLUME_MODES, validate_access_modes
from api.validation.resources import sign_of
from machinery import names, quantity
from machinery.errors import Cause
from machinery.selectors.labels import validate_label_selector

Obj = dict[str, Any]

_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def validate_claim_spec(errors: Errors, spec: Obj, path: str) -> None:
    if not spec.get("accessModes"):
        errors.required(f"{path}.accessModes", "at least 1 access mode is required")
    errors.causes += validate_label_selector(spec.get("selector"), f"{path}.selector")
    validate_access_modes(errors, spec.get("accessModes") or [], f"{path}.accessModes")
    size = storage_of(spec)
    if size is None:
        errors.required(f"{path}.resources[storage]")
    elif sign_of(size) <= 0:
        errors.invalid(f"{path}.resources[storage]", size, "must be greater than zero")
    name = spec.get("storageClassName")
    if name:
        errors.invalid_each(f"{path}.storageClassName", name, names.dns1123_subdomain(name))
    errors.one_of(f"{path}.volumeMode", spec.get("volumeMode"), VOLUME_MODES)
    _validate_sources(errors, spec, path)
    attributes = spec.get("volumeAttributesClassName")
    if attributes:
        where = f"{path}.volumeAttributesClassName"
        errors.invalid_each(where, attributes, names.dns1123_subdomain(attributes))


def storage_of(spec: Obj) -> str | None:
    size: str | None = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    return size


def _validate_sources(errors: Errors, spec: Obj, path: str) -> None:
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    for field, each in (("dataSource", source), ("dataSourceRef", ref)):
        if each is None:
            continue
        at = f"{path}.{field}"
        for key in ("name", "kind"):
            if not each.get(key):
                errors.required(f"{at}.{key}")
        group, kind = each.get("apiGroup") or "", each.get("kind")
        if not group and kind != "PersistentVolumeClaim":
            message = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
            errors.invalid(f"{at}.kind", kind or "", message)
        if group:
            errors.invalid_each(f"{at}.apiGroup", group, names.dns1123_subdomain(group))
    if source is not None and ref is not None and not ref.get("namespace"):
        keys = ("apiGroup", "kind", "name")
        if any((source.get(key) or "") != (ref.get(key) or "") for key in keys):
            errors.invalid(path, f"{path}.dataSource", "must match dataSourceRef")


def validate_claim_update(claim: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    validate_claim_spec(errors, claim["spec"], "spec")
    spec, before = dict(claim["spec"]), dict(old["spec"])
    if not before.get("volumeName"):  # binding names the volume
        spec.pop("volumeName", None)
        before.pop("volumeName", None)
    status = old.get("status") or {}
    bound = status.get("phase") == "Bound"
    if bound or spec.get("volumeName") or before.get("volumeName"):
        for each in (spec, before):
            each.pop("volumeAttributesClassName", None)
    size, was = storage_of(claim["spec"]), storage_of(old["spec"])
    if bound and size is not None and was is not None:
        spec["resources"], before["resources"] = _without_size(spec), _without_size(before)
        held = (status.get("capacity") or {}).get("storage", was)
        if quantity.parse(size) < quantity.parse(was) and quantity.parse(size) <= quantity.parse(held):
            message = "field can not be less than status.capacity"
            errors.forbidden("spec.resources.requests.storage", message)
    if spec != before:
        errors.forbidden("spec", _FIXED)
    return errors.causes


def _without_size(spec: Obj) -> Obj:
    resources = dict(spec.get("resources") or {})
    resources["requests"] = {k: v for k, v in (resources.get("requests") or {}).items() if k != "storage"}
    return resources


def validate_claim_status(claim: Obj) -> Sequence[Cause]:
    errors = Errors()
    status = claim.get("status") or {}
    for field in ("capacity", "allocatedResources"):
        for name, amount in (status.get(field) or {}).items():
            if sign_of(amount) < 0:
                errors.invalid(f"status.{field}[{name}]", amount, "must be greater than or equal to 0")
    return errors.causes
