"""Annotations that once were fields to be, and must still make sense; and those that say what a pod is.

Source: KEP-135 (seccomp), KEP-24 (AppArmor), KEP-2255 (deletion cost), Kubernetes "Static Pods".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from api.validation.errors import Errors
from api.validation.paths import validate_local_path
from api.validation.pod_options import PodOptions
from api.validation.scheduling import validate_tolerations

Obj = dict[str, Any]

MIRROR = "kubernetes.io/config.mirror"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
_SINGLE = frozenset({MIRROR, DELETION_COST, SECCOMP_POD, _TOLERATIONS})
_TYPES = {"RuntimeDefault": ("runtime/default", "docker/default"), "Unconfined": ("unconfined",)}


def is_deletion_cost(text: str | None) -> bool:
    """An int32 without a sign or zeros in front of it that it does not need; absent is as good."""
    if text is None:
        return True
    if not re.fullmatch(r"0|-[0-9]{1,10}|[1-9][0-9]{0,9}", text):
        return False
    return -(2**31) <= int(text) < 2**31


def judged(annotations: Mapping[str, str] | None) -> dict[str, str]:
    """Those that validation has a say in."""
    found = annotations or {}
    return {k: v for k, v in found.items() if k in _SINGLE or k.startswith((SECCOMP_CONTAINER, APPARMOR))}


def _containers(spec: Obj, path: str) -> Iterator[tuple[str, Obj]]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            yield f"{path}.{field}[{index}]", container


def validate_annotations(
    errors: Errors, annotations: Mapping[str, str] | None, spec: Obj, path: str, options: PodOptions
) -> None:
    found = judged(annotations)
    if MIRROR in found and not spec.get("nodeName"):
        message = "must set spec.nodeName if mirror pod annotation is set"
        errors.invalid(f"{path}[{MIRROR}]", found[MIRROR], message)
    if found.get(_TOLERATIONS):
        _validate_old_tolerations(errors, found[_TOLERATIONS], path)
    if not options.odd_deletion_cost and not is_deletion_cost(found.get(DELETION_COST)):
        errors.invalid(f"{path}[{DELETION_COST}]", found[DELETION_COST], "must be a 32bit integer")
    if SECCOMP_POD in found:
        _validate_seccomp(errors, found[SECCOMP_POD], f"{path}.{SECCOMP_POD}")
    for key, value in found.items():
        if key.startswith(SECCOMP_CONTAINER):
            _validate_seccomp(errors, value, f"{path}.{key}")
    known = {container.get("name") for _, container in _containers(spec, "")}
    for key, value in found.items():
        if key.startswith(APPARMOR):
            name = key.removeprefix(APPARMOR)
            if name not in known:
                errors.invalid(f"{path}[{key}]", name, "container not found")
            if value not in ("", "runtime/default", "unconfined") and not value.startswith("localhost/"):
                errors.invalid(f"{path}[{key}]", value, f'invalid AppArmor profile name: "{value}"')


def _validate_old_tolerations(errors: Errors, text: str, path: str) -> None:
    try:
        tolerations = orjson.loads(text)
    except ValueError as error:
        errors.invalid(path, _TOLERATIONS, str(error))
        return
    if isinstance(tolerations, list) and all(isinstance(each, dict) for each in tolerations):
        validate_tolerations(errors, tolerations, f"{path}.{_TOLERATIONS}")
    else:
        errors.invalid(path, _TOLERATIONS, "must be a list of tolerations")


def _validate_seccomp(errors: Errors, value: str, path: str) -> None:
    if value.startswith("localhost/"):
        validate_local_path(errors, value.removeprefix("localhost/"), path)
    elif value not in ("runtime/default", "docker/default", "unconfined"):
        errors.invalid(path, value, "must be a valid seccomp profile")


def validate_annotations_update(errors: Errors, meta: Obj, old: Obj, path: str) -> None:
    """A mirror pod stays one, and AppArmor's annotations are those of the pod's birth."""
    new, was = meta.get("annotations") or {}, old.get("annotations") or {}
    for key in was:
        if new.get(key) == was[key]:
            continue
        if key.startswith(APPARMOR):
            errors.forbidden(f"{path}[{key}]", "may not remove or update AppArmor annotations")
        if key == MIRROR:
            errors.forbidden(f"{path}[{key}]", "may not remove or update mirror pod annotation")
    for key in new:
        if key in was:
            continue
        if key.startswith(APPARMOR):
            errors.forbidden(f"{path}[{key}]", "may not add AppArmor annotations")
        if key == MIRROR:
            errors.forbidden(f"{path}[{key}]", "may not add mirror pod annotation")


def validate_same_profiles(
    errors: Errors, annotations: Mapping[str, str] | None, spec: Obj, path: str
) -> None:
    """Where annotation and field both say a profile, they say the same."""
    found = judged(annotations)
    if not found:
        return
    context = spec.get("securityContext") or {}
    _compare(
        errors, found.get(SECCOMP_POD), context.get("seccompProfile"), f"{path}.securityContext", "seccomp"
    )
    for at, container in _containers(spec, path):
        profile = (container.get("securityContext") or {}).get("seccompProfile")
        said = found.get(SECCOMP_CONTAINER + container.get("name", ""))
        _compare(errors, said, profile, f"{at}.securityContext", "seccomp")
    if (spec.get("os") or {}).get("name") == "windows":
        return
    for at, container in _containers(spec, path):
        own = (container.get("securityContext") or {}).get("appArmorProfile")
        said = found.get(APPARMOR + container.get("name", ""))
        _compare(errors, said, own or context.get("appArmorProfile"), f"{at}.securityContext", "apparmor")


def _compare(errors: Errors, said: str | None, profile: Obj | None, path: str, word: str) -> None:
    if said is None or profile is None:
        return
    at, kind = f"{path}.{'seccompProfile' if word == 'seccomp' else 'appArmorProfile'}", profile.get("type")
    if kind == "Localhost":
        if not said.startswith("localhost/"):
            errors.forbidden(f"{at}.type", f"{word} type in annotation and field must match")
        elif said.removeprefix("localhost/") != profile.get("localhostProfile"):
            errors.forbidden(f"{at}.localhostProfile", f"{word} profile in annotation and field must match")
        return
    allowed = _TYPES.get(kind or "")
    if allowed is not None and said not in (allowed if word == "seccomp" else allowed[:1]):
        errors.forbidden(f"{at}.type", f"{word} type in annotation and field must match")
