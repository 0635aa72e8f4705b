"""Persistent volumes: one source, its size and modes, and what of them stays.

Source: Kubernetes "Persistent Volumes", KEP-3751 (volume attributes classes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.claim import CLASS_ANNOTATION
from api.validation.errors import Errors
from api.validation.foreign_volumes import (
    CHECKS,
    SHOWN_EXTRA,
    SHOWN_INSIDE,
    has_long_portal,
    too_long_portal,
)
from api.validation.node_warnings import OLD_NODE_LABELS, node_term_warnings
from api.validation.parameters import VOLUME_MODES, validate_access_modes
from api.validation.resources import sign_of
from api.validation.scheduling import validate_node_terms
from machinery import names, quantity
from machinery.errors import Cause

Obj = dict[str, Any]

# All the sources there are, in the order in which upstream looks at them.
_SOURCES = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
)
_MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
_WITHOUT_OPTIONS = frozenset(
    {
        "hostPath",
        "flocker",
        "fc",
        "flexVolume",
        "photonPersistentDisk",
        "scaleIO",
        "local",
        "storageos",
        "csi",
    }
)
_RECLAIM = ("Delete", "Recycle", "Retain")
_OLD = {
    "cephfs": "cephfs: deprecated in v1.28, non-functional in v1.31+",
    "photonPersistentDisk": "photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+",
    "scaleIO": "scaleIO: deprecated in v1.16, non-functional in v1.22+",
    "storageos": "storageOS: deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "glusterfs: deprecated in v1.25, non-functional in v1.26+",
    "rbd": "rbd: deprecated in v1.28, non-functional in v1.31+",
}


def sources_of(spec: Obj) -> Obj:
    """What of the spec says where the contents come from."""
    return {kind: spec[kind] for kind in _SOURCES if spec.get(kind) is not None}


def validate_volume(volume: Obj, old: Obj | None = None) -> Sequence[Cause]:
    errors = Errors()
    _validate_spec(errors, volume, odd_values=_has_odd_values(old))
    _validate_options(errors, volume)
    return errors.causes


def _has_odd_values(old: Obj | None) -> bool:
    required = (((old or {}).get("spec") or {}).get("nodeAffinity") or {}).get("required")
    errors = Errors()
    if required is not None:
        validate_node_terms(errors, required, "")
    return any(".values[" in cause.field for cause in errors)


def _validate_spec(errors: Errors, volume: Obj, *, odd_values: bool) -> None:
    spec = volume.get("spec") or {}
    if not spec.get("accessModes"):
        errors.required("spec.accessModes")
    validate_access_modes(errors, spec.get("accessModes") or [], "spec.accessModes")
    _validate_capacity(errors, spec.get("capacity") or {})
    policy = spec.get("persistentVolumeReclaimPolicy")
    errors.one_of("spec.persistentVolumeReclaimPolicy", policy, _RECLAIM)
    affinity = spec.get("nodeAffinity")
    if affinity is not None:
        if affinity.get("required") is None:
            errors.required("spec.nodeAffinity.required", "must specify required node constraints")
        else:
            at = "spec.nodeAffinity.required"
            validate_node_terms(errors, affinity["required"], at, odd_values=odd_values)
    _validate_source(errors, spec, volume["metadata"].get("name", ""))
    host = (spec.get("hostPath") or {}).get("path", "")
    if host and policy == "Recycle" and not [part for part in host.split("/") if part not in ("", ".")]:
        message = "may not be 'recycle' for a hostPath mount of '/'"
        errors.forbidden("spec.persistentVolumeReclaimPolicy", message)
    if name := spec.get("storageClassName"):
        errors.invalid_each("spec.storageClassName", name, names.dns1123_subdomain(name))
    if (mode := spec.get("volumeMode")) is not None and mode not in VOLUME_MODES:
        errors.not_supported("spec.volumeMode", mode, VOLUME_MODES)
    attributes = spec.get("volumeAttributesClassName")
    if attributes is not None:
        path = "spec.volumeAttributesClassName"
        if not attributes:
            errors.required(path, "an empty string is disallowed")
        else:
            errors.invalid_each(path, attributes, names.dns1123_subdomain(attributes))
        if spec.get("csi") is None:
            errors.required("spec.csi", "has to be specified when using volumeAttributesClassName")


def _validate_capacity(errors: Errors, capacity: dict[str, str]) -> None:
    if not capacity:
        errors.required("spec.capacity")
    if set(capacity) != {"storage"}:
        errors.not_supported("spec.capacity", capacity, ("storage",))
    for name, amount in capacity.items():
        if sign_of(amount) < 0:
            message = "must be a valid resource quantity"
            errors.invalid(f"spec.capacity[{name}]", quantity.value(amount), message)
        if sign_of(amount) <= 0:
            errors.invalid(f"spec.capacity[{name}]", amount, "must be greater than zero")


def _validate_source(errors: Errors, spec: Obj, name: str) -> None:
    sources = sources_of(spec)
    for position, (kind, source) in enumerate(sources.items()):
        if position and kind != "flexVolume":  # of which there may be one more, as upstream
            errors.forbidden(f"spec.{SHOWN_EXTRA.get(kind, kind)}", "may not specify more than 1 volume type")
            continue
        if kind == "iscsi" and has_long_portal(source, name):
            too_long_portal(errors, "spec.iscsi.targetportal", source.get("targetPortal", ""))
        CHECKS[kind](errors, source, f"spec.{SHOWN_INSIDE.get(kind, kind)}", True)
        if kind == "local" and spec.get("nodeAffinity") is None:
            errors.required("spec.nodeAffinity", "Local volume requires node affinity")
    if not sources:
        errors.required("spec", "must specify a volume type")


def _validate_options(errors: Errors, volume: Obj) -> None:
    if _MOUNT_OPTIONS not in (volume["metadata"].get("annotations") or {}):
        return
    if set(sources_of(volume.get("spec") or {})) <= _WITHOUT_OPTIONS:
        message = "may not specify mount options for this volume type"
        errors.forbidden(f"metadata.annotations.{_MOUNT_OPTIONS}", message)


def validate_volume_update(volume: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    errors.causes += validate_volume(volume, old)
    _validate_spec(
        errors, volume, odd_values=_has_odd_values(old)
    )  # told twice: on its own, and as an update
    spec, before = volume.get("spec") or {}, old.get("spec") or {}
    sources, had = sources_of(spec), sources_of(before)
    expansion = "controllerExpandSecretRef"
    if "csi" in sources and "csi" in had and expansion not in had["csi"]:
        sources["csi"] = {key: value for key, value in sources["csi"].items() if key != expansion}
    if sources != had:
        message = "spec.persistentvolumesource is immutable after creation"
        errors.forbidden("spec.persistentvolumesource", message)
    errors.immutable("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    affinity, was = spec.get("nodeAffinity"), before.get("nodeAffinity")
    if was is not None and not _is_same_affinity(affinity, was):
        message = "field is immutable, except for updating from beta label to GA"
        errors.invalid("nodeAffinity", affinity, message)
    if before.get("volumeAttributesClassName") is not None and spec.get("volumeAttributesClassName") is None:
        message = "update from non-nil value to nil is forbidden"
        errors.forbidden("spec.volumeAttributesClassName", message)
    return errors.causes


def _renamed(affinity: Obj) -> list[list[Obj]]:
    """The terms' expressions, old labels of nodes under their names of today."""
    terms = (affinity.get("required") or {}).get("nodeSelectorTerms") or ()
    today = {old: message.split('"')[1] for old, message in OLD_NODE_LABELS.items()}

    def named(each: Obj) -> Obj:
        return {**each, "key": today.get(each.get("key", ""), each.get("key", ""))}

    return [[*map(named, t.get("matchExpressions") or ()), *(t.get("matchFields") or ())] for t in terms]


def _is_same_affinity(affinity: Obj | None, was: Obj) -> bool:
    """A key may change from an old label to that of today, not back."""
    if affinity == was:
        return True
    if affinity is None or _renamed(affinity) != _renamed(was):
        return False
    keys, had = [_keys(each) for each in (affinity, was)]
    return all(key == old or key not in OLD_NODE_LABELS for key, old in zip(keys, had, strict=True))


def _keys(affinity: Obj) -> list[str]:
    terms = (affinity.get("required") or {}).get("nodeSelectorTerms") or ()
    return [each.get("key", "") for term in terms for each in term.get("matchExpressions") or ()]


def volume_warnings(volume: Obj) -> list[str]:
    spec, out = volume.get("spec") or {}, []
    if CLASS_ANNOTATION in (volume["metadata"].get("annotations") or {}):
        out.append(
            f'metadata.annotations[{CLASS_ANNOTATION}]: deprecated since v1.8; use "storageClassName" attribute instead'
        )
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        out.append(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
            "approach is to use dynamic provisioning."
        )
    terms = ((spec.get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or ()
    for index, term in enumerate(terms):
        out += node_term_warnings(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]")
    return out + [f"spec.{why}" for kind, why in _OLD.items() if kind in spec]
