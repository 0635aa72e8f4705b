"""Persistent volumes and the claims that ask for them.

Source: Kubernetes "Persistent Volumes".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from api.validation.parameters import VOLUME_MODES, validate_access_modes, validate_driver_name
from api.validation.resources import sign_of
from api.validation.scheduling import validate_node_terms
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

# What each source cannot do without; its keys are all the sources there are.
_SOURCES: dict[str, tuple[str, ...]] = {
    "awsElasticBlockStore": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"),
    "cephfs": ("monitors",),
    "cinder": ("volumeID",),
    "csi": ("volumeHandle",),
    "fc": (),
    "flexVolume": ("driver",),
    "flocker": (),
    "gcePersistentDisk": ("pdName",),
    "glusterfs": ("endpoints", "path"),
    "hostPath": ("path",),
    "iscsi": ("targetPortal", "iqn"),
    "local": ("path",),
    "nfs": ("server", "path"),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "quobyte": ("registry", "volume"),
    "rbd": ("monitors", "image"),
    "scaleIO": ("gateway", "system", "volumeName"),
    "storageos": ("volumeName", "volumeNamespace"),
    "vsphereVolume": ("volumePath",),
}
_RECLAIM = ("Delete", "Recycle", "Retain")
_SECRETS = (
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeStageSecretRef",
    "nodeExpandSecretRef",
)


def sources_of(spec: Obj) -> Obj:
    """What of the spec says where the contents come from."""
    return {kind: spec[kind] for kind in _SOURCES if spec.get(kind) is not None}


def validate_volume(volume: Obj) -> Sequence[Cause]:
    errors = Errors()
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
            validate_node_terms(errors, affinity["required"], "spec.nodeAffinity.required")
    _validate_source(errors, spec)
    host = (spec.get("hostPath") or {}).get("path", "")
    if host and policy == "Recycle" and host.strip("/") == "":
        message = "may not be 'recycle' for a hostPath mount of '/'"
        errors.forbidden("spec.persistentVolumeReclaimPolicy", message)
    if spec.get("storageClassName"):
        name = spec["storageClassName"]
        errors.invalid_each("spec.storageClassName", name, names.dns1123_subdomain(name))
    errors.one_of("spec.volumeMode", spec.get("volumeMode"), VOLUME_MODES)
    attributes = spec.get("volumeAttributesClassName")
    if attributes is not None:
        path = "spec.volumeAttributesClassName"
        if not attributes:
            errors.required(path, "an empty string is disallowed")
        else:
            errors.invalid_each(path, attributes, names.dns1123_subdomain(attributes))
        if spec.get("csi") is None:
            errors.required("spec.csi", "has to be specified when using volumeAttributesClassName")
    return errors.causes


def _validate_capacity(errors: Errors, capacity: dict[str, str]) -> None:
    if not capacity:
        errors.required("spec.capacity")
    elif set(capacity) != {"storage"}:
        errors.not_supported("spec.capacity", capacity, ("storage",))
    for name, amount in capacity.items():
        if sign_of(amount) <= 0:
            errors.invalid(f"spec.capacity[{name}]", amount, "must be greater than zero")


def _validate_source(errors: Errors, spec: Obj) -> None:
    sources = sources_of(spec)
    if not sources:
        errors.required("spec", "must specify a volume type")
    for extra in list(sources)[1:]:
        errors.forbidden(f"spec.{extra}", "may not specify more than 1 volume type")
    for kind, source in list(sources.items())[:1]:
        for field in _SOURCES[kind]:
            if not source.get(field):
                errors.required(f"spec.{kind}.{field}")
    if "csi" in sources:
        _validate_csi(errors, sources["csi"])
    if "fc" in sources:
        wwns, wwids = sources["fc"].get("targetWWNs"), sources["fc"].get("wwids")
        if not wwns and not wwids:
            message = "must specify either targetWWNs or wwids, but not both"
            errors.required("spec.fc.targetWWNs", message)
    if "local" in sources and spec.get("nodeAffinity") is None:
        errors.required("spec.nodeAffinity", "Local volume requires node affinity")
    for kind in ("hostPath", "local"):
        local = sources.get(kind) or {}
        if ".." in local.get("path", "").split("/"):
            errors.invalid(f"spec.{kind}.path", local["path"], "must not contain '..'")


def _validate_csi(errors: Errors, source: Obj) -> None:
    validate_driver_name(errors, source.get("driver", ""), "spec.csi.driver")
    for field in _SECRETS:
        ref = source.get(field)
        for key in ("name", "namespace"):
            if ref is not None and not ref.get(key):
                errors.required(f"spec.csi.{field}.{key}")


def validate_volume_update(volume: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    errors.causes += validate_volume(volume)
    spec, before = volume.get("spec") or {}, old.get("spec") or {}
    if sources_of(spec) != sources_of(before):
        message = "spec.persistentvolumesource is immutable after creation"
        errors.forbidden("spec.persistentvolumesource", message)
    errors.immutable("spec.volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    if before.get("nodeAffinity") is not None:
        errors.immutable("spec.nodeAffinity", spec.get("nodeAffinity"), before["nodeAffinity"])
    return errors.causes
