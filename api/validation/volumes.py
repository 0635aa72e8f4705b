"""Volumes of a pod: exactly one source each, and what each source needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.validation.env import validate_field_ref, validate_resource_field_ref
from api.validation.errors import Errors
from api.validation.resources import validate_amount
from api.validation.security import validate_local_path
from machinery import names

Obj = dict[str, Any]

_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_MODE_RANGE = "must be a number between 0 and 0777 (octal), both inclusive"
# Fields that a source cannot do without; sources of other people's storage need no more than that here.
_REQUIRED: dict[str, tuple[str, ...]] = {
    "awsElasticBlockStore": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"),
    "cephfs": ("monitors",),
    "cinder": ("volumeID",),
    "configMap": ("name",),
    "csi": ("driver",),
    "flexVolume": ("driver",),
    "gcePersistentDisk": ("pdName",),
    "gitRepo": ("repository",),
    "glusterfs": ("endpoints", "path"),
    "hostPath": ("path",),
    "iscsi": ("targetPortal", "iqn"),
    "nfs": ("server", "path"),
    "persistentVolumeClaim": ("claimName",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "quobyte": ("registry", "volume"),
    "rbd": ("monitors", "image"),
    "scaleIO": ("gateway", "system", "volumeName"),
    "secret": ("secretName",),
    "storageos": ("volumeName",),
    "vsphereVolume": ("volumePath",),
}
_DOWNWARD_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.labels",
    "metadata.annotations",
    "metadata.uid",
)


def validate_volumes(errors: Errors, volumes: Iterable[Obj] | None, path: str) -> None:
    seen: set[str] = set()
    for index, volume in enumerate(volumes or ()):
        at, name = f"{path}[{index}]", volume.get("name", "")
        if not name:
            errors.required(f"{at}.name")
        else:
            errors.invalid_each(f"{at}.name", name, names.dns1123_label(name))
            if name in seen:
                errors.duplicate(f"{at}.name", name)
            seen.add(name)
        _validate_source(errors, volume, at)


def _validate_source(errors: Errors, volume: Obj, path: str) -> None:
    sources = [key for key in volume if key != "name"]
    if not sources:
        errors.required(path, "must specify a volume type")
        return
    for extra in sources[1:]:
        errors.forbidden(f"{path}.{extra}", "may not specify more than 1 volume type")
    kind = sources[0]
    source, at = volume[kind], f"{path}.{kind}"
    for field in _REQUIRED.get(kind, ()):
        if not source.get(field):
            errors.required(f"{at}.{field}")
    check = _CHECKS.get(kind)
    if check is not None:
        check(errors, source, at)


def _empty_dir(errors: Errors, source: Obj, path: str) -> None:
    if source.get("sizeLimit") is not None:
        validate_amount(errors, source["sizeLimit"], f"{path}.sizeLimit")


def _host_path(errors: Errors, source: Obj, path: str) -> None:
    _no_parent(errors, source.get("path", ""), f"{path}.path")
    errors.one_of(f"{path}.type", source.get("type"), _HOST_PATH_TYPES)


def _nfs(errors: Errors, source: Obj, path: str) -> None:
    if source.get("path") and not source["path"].startswith("/"):
        errors.invalid(f"{path}.path", source["path"], "must be an absolute path")


def _keyed(errors: Errors, source: Obj, path: str) -> None:
    """ConfigMap and Secret: a mode, and the keys to show as files."""
    _mode(errors, source.get("defaultMode"), f"{path}.defaultMode")
    validate_items(errors, source.get("items"), f"{path}.items")


def validate_items(errors: Errors, items: Iterable[Obj] | None, path: str) -> None:
    for index, item in enumerate(items or ()):
        at = f"{path}[{index}]"
        if not item.get("key"):
            errors.required(f"{at}.key")
        if not item.get("path"):
            errors.required(f"{at}.path")
        else:
            _file_name(errors, item["path"], f"{at}.path")
        if item.get("mode") is not None and not 0 <= item["mode"] <= 0o777:
            errors.invalid(f"{at}.mode", item["mode"], _MODE_RANGE)


def _file_name(errors: Errors, value: str, path: str) -> None:
    """A relative path whose first part does not start with `..`, which atomic updates use themselves."""
    validate_local_path(errors, value, path)
    if value.startswith("..") and ".." not in value.split("/"):
        errors.invalid(path, value, "must not start with '..'")


def _downward(errors: Errors, source: Obj, path: str) -> None:
    _mode(errors, source.get("defaultMode"), f"{path}.defaultMode")
    for index, item in enumerate(source.get("items") or ()):
        at = f"{path}.items[{index}]"
        if not item.get("path"):
            errors.required(f"{at}.path")
        else:
            _file_name(errors, item["path"], f"{at}.path")
        field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
        if field is not None:
            validate_field_ref(errors, field, f"{at}.fieldRef", _DOWNWARD_FIELDS)
            if resource is not None:
                errors.invalid(
                    at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"
                )
        elif resource is not None:
            validate_resource_field_ref(errors, resource, f"{at}.resourceFieldRef", volume=True)
        else:
            errors.required(at, "one of fieldRef and resourceFieldRef is required")
        _mode(errors, item.get("mode"), f"{at}.mode")


def _projected(errors: Errors, source: Obj, path: str) -> None:
    _mode(errors, source.get("defaultMode"), f"{path}.defaultMode")
    for index, each in enumerate(source.get("sources") or ()):
        at = f"{path}.sources[{index}]"
        kinds = list(each)
        if not kinds:
            errors.required(at, "must specify a projection type")
            continue
        for extra in kinds[1:]:
            errors.forbidden(f"{at}.{extra}", "may not specify more than 1 volume type")
        part, here = each[kinds[0]], f"{at}.{kinds[0]}"
        match kinds[0]:
            case "secret" | "configMap":
                if not part.get("name"):
                    errors.required(f"{here}.name")
                validate_items(errors, part.get("items"), f"{here}.items")
            case "downwardAPI":
                _downward(errors, part, here)
            case "serviceAccountToken":
                _token(errors, part, here)
            case "clusterTrustBundle":
                _trust_bundle(errors, part, here)
            case "podCertificate":
                for field in ("signerName", "keyType"):
                    if not part.get(field):
                        errors.required(f"{here}.{field}")


def _token(errors: Errors, part: Obj, path: str) -> None:
    seconds = part.get("expirationSeconds", 3600)
    if seconds < 600:
        errors.invalid(
            f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"
        )
    elif seconds > 1 << 32:
        errors.invalid(
            f"{path}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"
        )
    if not part.get("path"):
        errors.required(f"{path}.path")
    else:
        _file_name(errors, part["path"], f"{path}.path")


def _trust_bundle(errors: Errors, part: Obj, path: str) -> None:
    if part.get("name") and part.get("signerName"):
        errors.invalid(path, part, "only one of name and signerName may be used")
    elif not part.get("name") and not part.get("signerName"):
        errors.required(path, "either name or signerName must be set")
    if not part.get("path"):
        errors.required(f"{path}.path")
    else:
        _file_name(errors, part["path"], f"{path}.path")


def _ephemeral(errors: Errors, source: Obj, path: str) -> None:
    template = source.get("volumeClaimTemplate")
    at = f"{path}.volumeClaimTemplate"
    if template is None:
        errors.required(at)
        return
    spec = template.get("spec") or {}
    if not spec.get("accessModes"):
        errors.required(f"{at}.spec.accessModes", "at least 1 access mode is required")
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        errors.required(f"{at}.spec.resources[storage]")


def _image(errors: Errors, source: Obj, path: str) -> None:
    if not source.get("reference"):
        errors.required(f"{path}.reference")
    errors.one_of(f"{path}.pullPolicy", source.get("pullPolicy"), ("Always", "IfNotPresent", "Never"))


def _mode(errors: Errors, mode: int | None, path: str) -> None:
    if mode is not None and not 0 <= mode <= 0o777:
        errors.invalid(path, mode, _MODE_RANGE)


def _no_parent(errors: Errors, value: str, path: str) -> None:
    if ".." in value.split("/"):
        errors.invalid(path, value, "must not contain '..'")


_CHECKS = {
    "configMap": _keyed,
    "downwardAPI": _downward,
    "emptyDir": _empty_dir,
    "ephemeral": _ephemeral,
    "hostPath": _host_path,
    "image": _image,
    "nfs": _nfs,
    "projected": _projected,
    "secret": _keyed,
}
