"""What pods of Windows may say and pods of Linux may not, and the other way round.

Source: Kubernetes "Windows containers", "Create a Windows HostProcess Pod", KEP-2802 (spec.os).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from api.validation.errors import Errors
from machinery import names

Obj = dict[str, Any]

_LARGEST_SPEC_KIB, _LONGEST_DOMAIN, _LONGEST_USER = 64, 256, 104
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_DNS_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*")
_NOT_IN_USER = re.compile(r'["/\\:;|=,+*?<>@\[\]]')
_OF_LINUX_PODS = (
    "appArmorProfile",
    "seLinuxOptions",
    "hostUsers",
    "hostPID",
    "hostIPC",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "shareProcessNamespace",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
)
_OF_THE_SPEC = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace")
_OF_LINUX_CONTAINERS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)
_NOT_ON_LINUX = "windows options cannot be set for a linux pod"
_NOT_ON_WINDOWS = "cannot be set for a windows pod"


def validate_windows_options(errors: Errors, options: Obj | None, path: str) -> None:
    if options is None:
        return
    if (name := options.get("gmsaCredentialSpecName")) is not None:
        errors.invalid_each(f"{path}.gmsaCredentialSpecName", name, names.dns1123_subdomain(name))
    if (text := options.get("gmsaCredentialSpec")) is not None:
        if not text:
            errors.invalid(f"{path}.gmsaCredentialSpec", text, "gmsaCredentialSpec cannot be an empty string")
        elif len(text.encode()) > _LARGEST_SPEC_KIB * 1024:
            message = f"gmsaCredentialSpec size must be under {_LARGEST_SPEC_KIB} KiB"
            errors.invalid(f"{path}.gmsaCredentialSpec", text, message)
    if (user := options.get("runAsUserName")) is not None:
        errors.invalid_each(f"{path}.runAsUserName", user, _user_name(user))


def _user_name(text: str) -> Iterator[str]:
    """What is wrong with USER or DOMAIN\\USER."""
    parts = text.split("\\")
    if not text:
        yield "runAsUserName cannot be an empty string"
    elif _CONTROL.search(text):
        yield "runAsUserName cannot contain control characters"
    elif len(parts) > 2:
        yield "runAsUserName cannot contain more than one backslash"
    else:
        if len(parts) == 2:
            domain = parts[0]
            if len(domain) >= _LONGEST_DOMAIN:
                yield f"runAsUserName's Domain length must be under {_LONGEST_DOMAIN} characters"
            if not _NETBIOS.fullmatch(domain) and not _DNS.fullmatch(domain):
                yield "runAsUserName's Domain doesn't match the NetBios nor the DNS format"
        user = parts[-1]
        if not user:
            yield "runAsUserName's User cannot be empty"
        elif len(user) > _LONGEST_USER:
            yield f"runAsUserName's User length must not be longer than {_LONGEST_USER} characters"
        if user and not user.strip(". "):
            yield "runAsUserName's User cannot contain only periods or spaces"
        if _NOT_IN_USER.search(user):
            yield r"runAsUserName" + "'s User cannot contain the following characters: " + r'"/\:;|=,+*?<>@[]'


def _containers(spec: Obj, path: str) -> Iterator[tuple[str, Obj]]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            yield f"{path}.{field}[{index}]", container


def validate_host_process(errors: Errors, spec: Obj, path: str) -> None:
    """Containers that run as processes of the host: all or none, on the host's network."""
    of_pod = ((spec.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    found = []
    for at, container in _containers(spec, path):
        options = (container.get("securityContext") or {}).get("windowsOptions") or {}
        own = options.get("hostProcess")
        if of_pod is not None and own is not None and of_pod != own:
            message = (
                f"pod hostProcess value must be identical if both are specified, was {str(of_pod).lower()}"
            )
            errors.invalid(f"{at}.securityContext.windowsOptions.hostProcess", own, message)
        found.append(of_pod if own is None else own)
    if any(found):
        if not all(found):
            message = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
            errors.invalid(path, "", message)
        if not spec.get("hostNetwork"):
            message = "hostNetwork must be true if pod contains any hostProcess containers"
            errors.invalid(f"{path}.hostNetwork", False, message)


def validate_os(errors: Errors, spec: Obj, path: str) -> None:
    os = spec.get("os")
    if os is None:
        return
    match os.get("name", ""):
        case "":
            errors.required(f"{path}.os.name")
        case "linux":
            _validate_linux(errors, spec, path)
        case "windows":
            _validate_windows(errors, spec, path)
        case other:
            errors.not_supported(f"{path}.os", other, ("linux", "windows"))


def _validate_linux(errors: Errors, spec: Obj, path: str) -> None:
    if (spec.get("securityContext") or {}).get("windowsOptions") is not None:
        errors.forbidden(f"{path}.securityContext.windowsOptions", _NOT_ON_LINUX)
    for at, container in _containers(spec, path):
        if (container.get("securityContext") or {}).get("windowsOptions") is not None:
            errors.forbidden(f"{at}.securityContext.windowsOptions", _NOT_ON_LINUX)


def _validate_windows(errors: Errors, spec: Obj, path: str) -> None:
    context = spec.get("securityContext") or {}
    for field in _OF_LINUX_PODS:
        own = field in _OF_THE_SPEC
        value = (spec if own else context).get(field)
        only_if_set = field in ("hostPID", "hostIPC", "sysctls")
        if value if only_if_set else value is not None:
            errors.forbidden(f"{path}.{field}" if own else f"{path}.securityContext.{field}", _NOT_ON_WINDOWS)
    for at, container in _containers(spec, path):
        for field in _OF_LINUX_CONTAINERS:
            if (container.get("securityContext") or {}).get(field) is not None:
                errors.forbidden(f"{at}.securityContext.{field}", _NOT_ON_WINDOWS)
