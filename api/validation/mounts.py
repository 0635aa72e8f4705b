"""Where a container sees volumes: as directories and files, or as block devices."""

from __future__ import annotations

from typing import Any

from api.validation.errors import Errors
from api.validation.paths import validate_local_path

Obj = dict[str, Any]

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")


def validate_mounts(errors: Errors, container: Obj, volumes: dict[str, Obj], path: str) -> None:
    """`volumes` are the pod's good ones. What is wrong within a mount is told of `volumeMounts`, without its index."""
    devices = {
        each.get("name", ""): each.get("devicePath", "") for each in container.get("volumeDevices") or ()
    }
    seen: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        at, name, target = f"{path}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            errors.required(f"{at}.name")
        if name not in volumes:
            errors.not_found(f"{at}.name", name)
        if not target:
            errors.required(f"{at}.mountPath")
        if target in seen:
            errors.invalid(f"{at}.mountPath", target, "must be unique")
        seen.add(target)
        if name in devices:
            errors.invalid(f"{at}.name", name, "must not already exist in volumeDevices")
        if target in devices.values():
            errors.invalid(f"{at}.mountPath", target, "must not already exist as a path in volumeDevices")
        plain, expanded = mount.get("subPath"), mount.get("subPathExpr")
        if plain:
            validate_local_path(errors, plain, f"{path}.subPath")
        if expanded:
            if plain:
                message = "subPathExpr and subPath are mutually exclusive"
                errors.invalid(f"{at}.subPathExpr", expanded, message)
            validate_local_path(errors, expanded, f"{path}.subPathExpr")
        _validate_propagation(errors, mount, container, f"{path}.mountPropagation")
        _validate_recursive(errors, mount, f"{path}.recursiveReadOnly")


def _validate_propagation(errors: Errors, mount: Obj, container: Obj, path: str) -> None:
    propagation = mount.get("mountPropagation")
    if propagation is None:
        return
    if propagation not in _PROPAGATIONS:
        errors.not_supported(path, propagation, _PROPAGATIONS)
    if propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        message = "Bidirectional mount propagation is available only to privileged containers"
        errors.forbidden(path, message)


def _validate_recursive(errors: Errors, mount: Obj, path: str) -> None:
    value = mount.get("recursiveReadOnly")
    if value in ("Enabled", "IfPossible"):
        if not mount.get("readOnly"):
            errors.forbidden(path, "may only be specified when readOnly is true")
        if mount.get("mountPropagation") not in (None, "None"):
            errors.forbidden(path, "may only be specified when mountPropagation is None or not specified")
    elif value not in (None, "Disabled"):
        errors.not_supported(path, value, ("Disabled", "Enabled", "IfPossible"))


def validate_devices(errors: Errors, container: Obj, volumes: dict[str, Obj], path: str) -> None:
    mounts = {each.get("name", ""): each.get("mountPath", "") for each in container.get("volumeMounts") or ()}
    named: set[str] = set()
    placed: set[str] = set()
    for index, device in enumerate(container.get("volumeDevices") or ()):
        at, name, target = f"{path}[{index}]", device.get("name", ""), device.get("devicePath", "")
        if not name:
            errors.required(f"{at}.name")
        if name in named:
            errors.invalid(f"{at}.name", name, "must be unique")
        source = volumes.get(name)
        if source is None:
            errors.not_found(f"{at}.name", name)
        elif not {"persistentVolumeClaim", "ephemeral"} & source.keys():
            message = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errors.invalid(f"{at}.name", name, message)
        if not target:
            errors.required(f"{at}.devicePath")
        if target in placed:
            errors.invalid(f"{at}.devicePath", target, "must be unique")
        if ".." in target.split("/"):
            errors.invalid(f"{at}.devicePath", target, "can not contain backsteps ('..')")
        else:
            placed.add(target)
        if name in mounts:
            errors.invalid(f"{at}.name", name, "must not already exist in volumeMounts")
        if target in mounts.values():
            errors.invalid(f"{at}.devicePath", target, "must not already exist as a path in volumeMounts")
        if name:
            named.add(name)
