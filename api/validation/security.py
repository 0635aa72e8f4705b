"""Security contexts of pods and containers: ids, profiles, sysctls, and what goes not together.

Source: Kubernetes "Configure a Security Context", "Using sysctls", KEP-127 (user namespaces).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from api.validation.errors import Errors
from api.validation.paths import validate_local_path as validate_local_path
from api.validation.windows import validate_windows_options
from machinery import names

Obj = dict[str, Any]

_SYSCTL_SEGMENT = r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_PATTERN = rf"({_SYSCTL_SEGMENT}[\./])*{_SYSCTL_SEGMENT}"
_SYSCTL = re.compile(_SYSCTL_PATTERN)
_SWAPPED = str.maketrans("./", "/.")
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_LONGEST_PATH = 4095


def validate_pod_security(errors: Errors, spec: Obj, path: str, *, host_sysctls: bool = False) -> None:
    """spec.securityContext. `host_sysctls`: settings of namespaces that are the host's are let be."""
    at = f"{path}.securityContext"
    context = spec.get("securityContext") or {}
    _validate_ids(errors, context, at, ("fsGroup", "runAsUser", "runAsGroup"))
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        errors.invalid_each(f"{at}.supplementalGroups[{index}]", group, names.user_id(group))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        message = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.invalid(f"{at}.shareProcessNamespace", True, message)
    _validate_sysctls(errors, context.get("sysctls") or (), spec, f"{at}.sysctls", host_sysctls)
    _one_of(errors, context, at, "fsGroupChangePolicy", ("Always", "OnRootMismatch"))
    _validate_seccomp(errors, context.get("seccompProfile"), f"{at}.seccompProfile")
    validate_windows_options(errors, context.get("windowsOptions"), f"{at}.windowsOptions")
    validate_apparmor(errors, context.get("appArmorProfile"), f"{at}.appArmorProfile")
    _one_of(errors, context, at, "supplementalGroupsPolicy", ("Merge", "Strict"))
    _one_of(errors, context, at, "seLinuxChangePolicy", ("MountOption", "Recursive"))


def _one_of(errors: Errors, obj: Obj, path: str, field: str, choices: tuple[str, ...]) -> None:
    if obj.get(field) is not None and obj[field] not in choices:
        errors.not_supported(f"{path}.{field}", obj[field], choices)


def _validate_sysctls(
    errors: Errors, sysctls: Iterable[Obj], spec: Obj, path: str, host_sysctls: bool
) -> None:
    seen = set()
    for index, sysctl in enumerate(sysctls):
        at, name = f"{path}[{index}].name", sysctl.get("name", "")
        if not name:
            errors.required(at)
        elif len(name) > 253 or not _SYSCTL.fullmatch(name):
            message = f"must have at most 253 characters and match regex ^{_SYSCTL_PATTERN}$"
            errors.invalid(at, name, message)
        elif name in seen:
            errors.duplicate(at, name)
        if not host_sysctls:
            for message in shared_with_host(name, spec):
                errors.invalid(at, name, message)
        seen.add(name)


def shared_with_host(sysctl: str, spec: Obj) -> Iterator[str]:
    """Why a setting of a namespace cannot be made: the namespace is the host's."""
    first = next((char for char in sysctl if char in "./"), ".")
    name = sysctl if first == "." else sysctl.translate(_SWAPPED)
    of_ipc = name == "kernel.sem" or name.startswith(("kernel.shm", "kernel.msg", "fs.mqueue."))
    if spec.get("hostNetwork") and name.startswith("net."):
        yield "may not be specified when 'hostNetwork' is true"
    elif spec.get("hostIPC") and of_ipc:
        yield "may not be specified when 'hostIPC' is true"


def validate_host_users(errors: Errors, spec: Obj, path: str, *, devices: bool = False) -> None:
    """A pod with users of its own shares few namespaces. `devices`: block devices are let be."""
    if spec.get("hostUsers") is not False:
        return
    for field, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(field):
            errors.forbidden(f"{path}.{shown}", "when `hostUsers` is false")
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            if container.get("volumeDevices") and not devices:
                errors.forbidden(f"{path}.{field}[{index}].volumeDevices", "when `hostUsers` is false")


def validate_container_security(errors: Errors, context: Obj | None, path: str, *, host_users: bool) -> None:
    if not context:
        return
    _validate_ids(errors, context, path, ("runAsUser", "runAsGroup"))
    _one_of(errors, context, path, "procMount", ("Default", "Unmasked"))
    if context.get("procMount") == "Unmasked" and host_users:
        errors.invalid(f"{path}.procMount", "Unmasked", "`hostUsers` must be false to use `Unmasked`")
    _validate_seccomp(errors, context.get("seccompProfile"), f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        message = "cannot set `allowPrivilegeEscalation` to false and "
        if context.get("privileged"):
            errors.invalid(path, context, f"{message}`privileged` to true")
        for added in (context.get("capabilities") or {}).get("add") or ():
            if added == "CAP_SYS_ADMIN":
                errors.invalid(path, context, f"{message}`capabilities.Add` CAP_SYS_ADMIN")
    validate_windows_options(errors, context.get("windowsOptions"), f"{path}.windowsOptions")
    validate_apparmor(errors, context.get("appArmorProfile"), f"{path}.appArmorProfile")


def _validate_ids(errors: Errors, context: Obj, path: str, fields: Iterable[str]) -> None:
    for field in fields:
        if context.get(field) is not None:
            errors.invalid_each(f"{path}.{field}", context[field], names.user_id(context[field]))


def _validate_seccomp(errors: Errors, profile: Obj | None, path: str) -> None:
    if profile is None:
        return
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    if not kind:
        errors.required(f"{path}.type", "type is required when seccompProfile is set")
    elif kind not in _PROFILES:
        errors.not_supported(f"{path}.type", kind, _PROFILES)
    if kind == "Localhost":
        if local is None:
            errors.required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")
        else:
            validate_local_path(errors, local, f"{path}.localhostProfile")
    elif local is not None:
        message = "can only be set when seccomp type is Localhost"
        errors.invalid(f"{path}.localhostProfile", profile, message)


def validate_apparmor(errors: Errors, profile: Obj | None, path: str) -> None:
    if profile is None:
        return
    kind, local, at = profile.get("type", ""), profile.get("localhostProfile"), f"{path}.localhostProfile"
    if not kind:
        errors.required(f"{path}.type", "type is required when appArmorProfile is set")
    elif kind not in _PROFILES:
        errors.not_supported(f"{path}.type", kind, _PROFILES)
    elif kind != "Localhost":
        if local is not None:
            errors.invalid(at, local, "can only be set when AppArmor type is Localhost")
    elif not local:
        errors.required(at, "must be set when AppArmor type is Localhost")
    else:
        if local != local.strip():
            errors.invalid(at, local, "must not be padded with whitespace")
        if len(local.encode()) > _LONGEST_PATH:
            errors.too_long(at, _LONGEST_PATH)
