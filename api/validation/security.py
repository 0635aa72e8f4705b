"""Security contexts of pods and containers.

Source: Kubernetes "Configure a Security Context", Pod Security Standards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from api.validation.errors import Errors
from machinery import names

Obj = dict[str, Any]

_SYSCTL_SEGMENT = r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_PATTERN = rf"({_SYSCTL_SEGMENT}[\./])*{_SYSCTL_SEGMENT}"
_SYSCTL = re.compile(_SYSCTL_PATTERN)
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")


def validate_pod_security(errors: Errors, spec: Obj, path: str) -> None:
    """spec.securityContext, and the pod's fields that conflict with each other."""
    at = f"{path}.securityContext"
    context = spec.get("securityContext") or {}
    _validate_ids(errors, context, at, ("runAsUser", "runAsGroup", "fsGroup"))
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        errors.invalid_each(f"{at}.supplementalGroups[{index}]", group, names.user_id(group))
    errors.one_of(
        f"{at}.fsGroupChangePolicy", context.get("fsGroupChangePolicy"), ("Always", "OnRootMismatch")
    )
    errors.one_of(
        f"{at}.supplementalGroupsPolicy", context.get("supplementalGroupsPolicy"), ("Merge", "Strict")
    )
    _validate_sysctls(errors, context.get("sysctls") or (), f"{at}.sysctls")
    _validate_profiles(errors, context, at)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        message = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.invalid(f"{path}.shareProcessNamespace", True, message)
    if spec.get("hostUsers") is False:
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(field):
                errors.forbidden(f"{path}.{field}", "when `hostUsers` is false")


def _validate_sysctls(errors: Errors, sysctls: Iterable[Obj], path: str) -> None:
    seen = set()
    for index, sysctl in enumerate(sysctls):
        at, name = f"{path}[{index}].name", sysctl.get("name", "")
        if not name:
            errors.required(at)
        elif len(name) > 253 or not _SYSCTL.fullmatch(name):
            message = f"must have at most 253 characters and match regex ^{_SYSCTL_PATTERN}$"
            errors.invalid(at, name, message)
        elif name.replace("/", ".") in seen:
            errors.duplicate(at, name)
        seen.add(name.replace("/", "."))


def validate_container_security(errors: Errors, context: Obj | None, path: str, *, host_users: bool) -> None:
    if not context:
        return
    _validate_ids(errors, context, path, ("runAsUser", "runAsGroup"))
    errors.one_of(f"{path}.procMount", context.get("procMount"), ("Default", "Unmasked"))
    if context.get("procMount") == "Unmasked" and host_users:
        message = "`hostUsers` must be false to use `Unmasked`"
        errors.invalid(f"{path}.procMount", "Unmasked", message)
    if context.get("allowPrivilegeEscalation") is False:
        at = f"{path}.allowPrivilegeEscalation"
        if context.get("privileged"):
            errors.invalid(
                path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            )
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            message = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            errors.invalid(at.rpartition(".")[0], context, message)
    _validate_profiles(errors, context, path)


def _validate_ids(errors: Errors, context: Obj, path: str, fields: Iterable[str]) -> None:
    for field in fields:
        if context.get(field) is not None:
            errors.invalid_each(f"{path}.{field}", context[field], names.user_id(context[field]))


def _validate_profiles(errors: Errors, context: Obj, path: str) -> None:
    for field in ("seccompProfile", "appArmorProfile"):
        profile = context.get(field)
        if profile is None:
            continue
        at, kind, local = f"{path}.{field}", profile.get("type"), profile.get("localhostProfile")
        errors.one_of(f"{at}.type", kind, _PROFILES, required=True)
        if kind == "Localhost":
            if not local:
                errors.required(
                    f"{at}.localhostProfile", f"must be set when {_word(field)} type is Localhost"
                )
            elif field == "seccompProfile":
                validate_local_path(errors, local, f"{at}.localhostProfile")
        elif local is not None:
            message = f"can only be set when {_word(field)} type is Localhost"
            errors.invalid(f"{at}.localhostProfile", local, message)


def _word(field: str) -> str:
    return "seccomp" if field == "seccompProfile" else "AppArmor"


def validate_local_path(errors: Errors, value: str, path: str) -> None:
    """A path below some directory of ours: relative, and never out of it."""
    if value.startswith("/"):
        errors.invalid(path, value, "must be a relative path")
    if ".." in value.split("/"):
        errors.invalid(path, value, "must not contain '..'")
