"""Volumes on other people's storage, in pods and as PersistentVolumes: what each source needs.

`persistent` sources name secrets of any namespace, where a pod's name those of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from api.validation.errors import Errors
from api.validation.parameters import validate_driver_name
from api.validation.paths import validate_no_backsteps
from machinery import names

Obj = dict[str, Any]

_IQN = re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)")
_EUI = re.compile(r"eui.[A-Za-z0-9]{16}")
_NAA = re.compile(r"naa.[A-Za-z0-9]{32}")
_CSI_SECRETS = (
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeExpandSecretRef",
)
_LONGEST_PORTAL = 64
_TOO_LONG_PORTAL = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
    "if iscsi.initiatorName is specified."
)
HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)


def _needs(*fields: str) -> Callable[[Errors, Obj, str, bool], None]:
    def check(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
        for field in fields:
            if not source.get(field):
                errors.required(f"{path}.{field}")

    return check


def _host_path(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    value = source.get("path", "")
    if not value:
        errors.required(f"{path}.path")
        return
    validate_no_backsteps(errors, value, f"{path}.path")
    if (kind := source.get("type")) is not None and kind not in HOST_PATH_TYPES:
        errors.not_supported(f"{path}.type", kind, HOST_PATH_TYPES)


def _local(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    if not source.get("path"):
        errors.required(f"{path}.path")
    else:
        validate_no_backsteps(errors, source["path"], f"{path}.path")


def _disk(field: str) -> Callable[[Errors, Obj, str, bool], None]:
    def check(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
        if not source.get(field):
            errors.required(f"{path}.{field}")
        number = source.get("partition", 0)
        if not 0 <= number <= 255:
            errors.invalid(f"{path}.partition", number, "must be between 1 and 255, inclusive")

    return check


def _nfs(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    _needs("server", "path")(errors, source, path, persistent)
    if not source.get("path", "").startswith("/"):
        errors.invalid(f"{path}.path", source.get("path", ""), "must be an absolute path")


def _is_iscsi_name(text: str) -> bool:
    shape = {"iqn": _IQN, "eui": _EUI, "naa": _NAA}.get(text[:3])
    if shape is _IQN:  # anything may stand before it
        return re.search(_IQN.pattern + r"\Z", text) is not None
    return shape is not None and shape.fullmatch(text) is not None


def _iscsi(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    if not source.get("targetPortal"):
        errors.required(f"{path}.targetPortal")
    wrong_start = (
        "must be valid format" if persistent else "must be valid format starting with iqn, eui, or naa"
    )
    for field, shown in (("iqn", "iqn"), ("initiatorName", "initiatorname")):
        value = source.get(field)
        if field == "iqn" and not value:
            errors.required(f"{path}.iqn")
        elif value is not None and value[:3] not in ("iqn", "eui", "naa"):
            errors.invalid(f"{path}.{shown}", value, wrong_start)
        elif value is not None and not _is_iscsi_name(value):
            errors.invalid(f"{path}.{shown}", value, "must be valid format")
        if field == "iqn":
            _iscsi_numbers(errors, source, path, persistent)


def _iscsi_numbers(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    lun = source.get("lun", 0)
    if not 0 <= lun <= 255:
        errors.invalid(f"{path}.lun", lun, "must be between 0 and 255, inclusive")
    ref = source.get("secretRef")
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and ref is None:
        errors.required(f"{path}.secretRef")
    if persistent and ref is not None and not ref.get("name"):
        errors.required(f"{path}.secretRef.name")


def has_long_portal(source: Obj, name: str) -> bool:
    """Whether a volume of this name cannot be told apart on the initiator."""
    portal = f"{name}:{source.get('targetPortal', '')}"
    return source.get("initiatorName") is not None and len(portal.encode()) > _LONGEST_PORTAL


def too_long_portal(errors: Errors, path: str, value: str) -> None:
    errors.invalid(path, value, _TOO_LONG_PORTAL)


def _fc(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    wwns, wwids, lun = source.get("targetWWNs") or [], source.get("wwids") or [], source.get("lun")
    if not wwns and not wwids:
        errors.required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if wwns and wwids:
        message = "targetWWNs and wwids can not be specified simultaneously"
        errors.invalid(f"{path}.targetWWNs", wwns, message)
    if wwns:
        if lun is None:
            errors.required(f"{path}.lun", "lun is required if targetWWNs is specified")
        elif not 0 <= lun <= 255:
            errors.invalid(f"{path}.lun", lun, "must be between 0 and 255, inclusive")


def _quobyte(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    hosts = "must be a host:port pair or multiple pairs separated by commas"
    if not source.get("registry"):
        errors.required(f"{path}.registry", hosts)
    elif len(source.get("tenant", "")) >= 65:
        message = "must be a UUID and may not exceed a length of 64 characters"
        errors.required(f"{path}.tenant", message)
    else:
        for pair in source["registry"].split(","):
            if pair.count(":") != 1 and not re.fullmatch(r"\[[^\[\]]*\]:[^:]*", pair):
                errors.invalid(f"{path}.registry", source["registry"], hosts)
    if not source.get("volume"):
        errors.required(f"{path}.volume")


def _glusterfs(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    _needs("endpoints", "path")(errors, source, path, persistent)
    space = source.get("endpointsNamespace") if persistent else None
    if space == "":
        message = "if the endpointnamespace is set, it must be a valid namespace name"
        errors.invalid(f"{path}.endpointsNamespace", space, message)
    elif space is not None:
        errors.invalid_each(f"{path}.endpointsNamespace", space, names.dns1123_label(space))


def _flocker(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    name, uid = source.get("datasetName", ""), source.get("datasetUUID", "")
    if not name and not uid:
        errors.required(path, "one of datasetName and datasetUUID is required")
    if name and uid:
        message = "datasetName and datasetUUID can not be specified simultaneously"
        errors.invalid(path, "resource", message)
    if "/" in name:
        errors.invalid(f"{path}.datasetName", name, "must not contain '/'")


def _secret_ref(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    ref = source.get("secretRef")
    for key in ("name", "namespace") if persistent else ("name",):
        if ref is not None and not ref.get(key):
            errors.required(f"{path}.secretRef.{key}")


def _cinder(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    _needs("volumeID")(errors, source, path, persistent)
    _secret_ref(errors, source, path, persistent)


def _flex(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    _needs("driver")(errors, source, path, persistent)
    for key in source.get("options") or ():
        space = "." + key.partition("/")[0].lower()
        if space.endswith((".kubernetes.io", ".k8s.io")):
            message = "kubernetes.io and k8s.io namespaces are reserved"
            errors.invalid(f"{path}.options[{key}]", key, message)


def _azure_file(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    _needs("secretName", "shareName")(errors, source, path, persistent)
    if persistent and source.get("secretNamespace") == "":
        errors.required(f"{path}.secretNamespace")


def _azure_disk(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    _needs("diskName", "diskURI")(errors, source, path, persistent)
    caching, kind, uri = source.get("cachingMode"), source.get("kind"), source.get("diskURI", "")
    if caching is not None and caching not in (modes := ("None", "ReadOnly", "ReadWrite")):
        errors.not_supported(f"{path}.cachingMode", caching, modes)
    if kind is not None and kind not in (kinds := ("Dedicated", "Managed", "Shared")):
        errors.not_supported(f"{path}.kind", kind, kinds)
    managed = (
        "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
    )
    blob = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        errors.not_supported(f"{path}.diskURI", uri, (managed,))
    if kind is not None and kind != "Managed" and not uri.startswith("https://"):
        errors.not_supported(f"{path}.diskURI", uri, (blob,))


def _storage_os(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    name, space = source.get("volumeName", ""), source.get("volumeNamespace", "")
    if not name:
        errors.required(f"{path}.volumeName")
    else:
        errors.invalid_each(f"{path}.volumeName", name, names.dns1123_label(name))
    if space:
        errors.invalid_each(f"{path}.volumeNamespace", space, names.dns1123_label(space))
    _secret_ref(errors, source, path, persistent)


def _csi(errors: Errors, source: Obj, path: str, persistent: bool) -> None:
    validate_driver_name(errors, source.get("driver", ""), f"{path}.driver")
    if not persistent:
        ref = source.get("nodePublishSecretRef")
        if ref is not None and not ref.get("name"):
            errors.required(f"{path}.nodePublishSecretRef.name")
        elif ref is not None:
            errors.invalid_each(f"{path}.name", ref["name"], names.dns1123_subdomain(ref["name"]))
        return
    if not source.get("volumeHandle"):
        errors.required(f"{path}.volumeHandle")
    for field in _CSI_SECRETS:
        if (ref := source.get(field)) is None:
            continue
        for key, rule in (("name", names.dns1123_subdomain), ("namespace", names.dns1123_label)):
            if not ref.get(key):
                errors.required(f"{path}.{field}.{key}")
            else:
                errors.invalid_each(f"{path}.{field}.{key}", ref[key], rule(ref[key]))


CHECKS: dict[str, Callable[[Errors, Obj, str, bool], None]] = {
    "awsElasticBlockStore": _disk("volumeID"),
    "azureDisk": _azure_disk,
    "azureFile": _azure_file,
    "cephfs": _needs("monitors"),
    "cinder": _cinder,
    "csi": _csi,
    "fc": _fc,
    "flexVolume": _flex,
    "flocker": _flocker,
    "gcePersistentDisk": _disk("pdName"),
    "glusterfs": _glusterfs,
    "hostPath": _host_path,
    "iscsi": _iscsi,
    "local": _local,
    "nfs": _nfs,
    "photonPersistentDisk": _needs("pdID"),
    "portworxVolume": _needs("volumeID"),
    "quobyte": _quobyte,
    "rbd": _needs("monitors", "image"),
    "scaleIO": _needs("gateway", "system", "volumeName"),
    "storageos": _storage_os,
    "vsphereVolume": _needs("volumePath"),
}
# Where upstream's path is not the field's name: of what is wrong within, and of one source too many.
SHOWN_INSIDE = {"gcePersistentDisk": "persistentDisk"}
SHOWN_EXTRA = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
