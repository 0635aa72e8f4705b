"""Environment variables, and references to fields and resources of the pod itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from api.validation.errors import Errors
from api.validation.paths import validate_no_backsteps
from machinery import names, quantity

Obj = dict[str, Any]

_ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
# What can be read of a pod at all, though not everywhere.
_KNOWN_FIELDS = frozenset(
    {
        *_ENV_FIELDS,
        "metadata.labels",
        "metadata.annotations",
        "spec.restartPolicy",
        "spec.schedulerName",
        "status.phase",
    }
)
_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_CPU_DIVISORS = ("1m", "1")
_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_SUBSCRIPTED = re.compile(r"(.+?)\['(.*)'\]", re.DOTALL)
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def validate_env(errors: Errors, env: Iterable[Obj] | None, path: str) -> None:
    for index, variable in enumerate(env or ()):
        at, name = f"{path}[{index}]", variable.get("name", "")
        if not name:
            errors.required(f"{at}.name")
        else:
            errors.invalid_each(f"{at}.name", name, names.env_var_name(name))
        if variable.get("valueFrom") is not None:
            _validate_value_from(errors, variable, f"{at}.valueFrom")


def _validate_value_from(errors: Errors, variable: Obj, path: str) -> None:
    source = variable["valueFrom"]
    named = [kind for kind in _SOURCES if source.get(kind) is not None]
    for kind in named:
        at, ref = f"{path}.{kind}", source[kind]
        match kind:
            case "fieldRef":
                validate_field_ref(errors, ref, at, _ENV_FIELDS)
            case "resourceFieldRef":
                validate_resource_field_ref(errors, ref, at)
            case "fileKeyRef":
                _validate_file_key(errors, ref, at)
            case _:
                _validate_key(errors, ref, at)
    if not named:
        choices = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        errors.invalid(path, "", f"must specify one of: {choices}")
    elif variable.get("value"):
        errors.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(named) > 1:
        errors.invalid(path, "", "may not have more than one field specified at a time")


def _validate_key(errors: Errors, ref: Obj, path: str) -> None:
    """A key of a ConfigMap or a Secret."""
    name, key = ref.get("name", ""), ref.get("key", "")
    errors.invalid_each(f"{path}.name", name, names.dns1123_subdomain(name))
    if not key:
        errors.required(f"{path}.key")
    else:
        errors.invalid_each(f"{path}.key", key, names.config_map_key(key))


def _validate_file_key(errors: Errors, ref: Obj, path: str) -> None:
    key, volume, file = ref.get("key", ""), ref.get("volumeName", ""), ref.get("path", "")
    if not key:
        errors.required(f"{path}.key")
    else:
        errors.invalid_each(f"{path}.key", key, names.env_var_name(key))
    if not volume:
        errors.required(f"{path}.volumeName")
    else:
        errors.invalid_each(f"{path}.volumeName", volume, names.dns1123_label(volume))
    if not file:
        errors.required(f"{path}.path")
    else:
        validate_no_backsteps(errors, file, f"{path}.path")


def validate_file_volumes(
    errors: Errors, volumes: Iterable[Obj], env: Iterable[Obj] | None, path: str
) -> None:
    """Variables are read from files of emptyDirs of the pod alone."""
    sources = {volume.get("name", ""): volume for volume in volumes}
    for index, variable in enumerate(env or ()):
        ref = (variable.get("valueFrom") or {}).get("fileKeyRef")
        if ref is None:
            continue
        at, name = f"{path}[{index}].valueFrom.fileKeyRef.volumeName", ref.get("volumeName", "")
        if name not in sources:
            errors.not_found(at, name)
        elif sources[name].get("emptyDir") is None:
            errors.invalid(at, name, "referenced volume must be of type emptyDir")


def validate_field_ref(errors: Errors, ref: Obj, path: str, supported: Iterable[str]) -> None:
    """A fieldRef. Single labels and annotations may be named everywhere, as metadata.labels['x']."""
    version, field = ref.get("apiVersion", ""), ref.get("fieldPath", "")
    if not version:
        errors.required(f"{path}.apiVersion")
        return
    if not field:
        errors.required(f"{path}.fieldPath")
        return
    subscripted = _SUBSCRIPTED.fullmatch(field)
    of = subscripted.group(1) if subscripted else field
    wrong = ""
    if version != "v1":
        wrong = f"unsupported pod version: {version}"
    elif subscripted and of not in ("metadata.annotations", "metadata.labels"):
        wrong = f"field label does not support subscript: {field}"
    elif not subscripted and field not in _KNOWN_FIELDS and field != "spec.host":
        wrong = f"field label not supported: {field}"
    if wrong:
        errors.invalid(f"{path}.fieldPath", field, f"error converting fieldPath: {wrong}")
    elif subscripted:
        key = subscripted.group(2)
        key = key.lower() if of == "metadata.annotations" else key
        errors.invalid_each(path, key, names.qualified_name(key))
    else:
        field = "spec.nodeName" if field == "spec.host" else field  # its old name
        if field not in (choices := sorted(supported)):
            errors.not_supported(f"{path}.fieldPath", field, choices)


def validate_resource_field_ref(errors: Errors, ref: Obj, path: str, *, volume: bool = False) -> None:
    resource = ref.get("resource", "")
    if volume and not ref.get("containerName"):
        errors.required(f"{path}.containerName")
    elif not resource:
        errors.required(f"{path}.resource")
    elif resource not in _RESOURCES and not resource.startswith(("limits.hugepages-", "requests.hugepages-")):
        errors.not_supported(f"{path}.resource", resource, _RESOURCES)
    _validate_divisor(errors, resource, ref.get("divisor", "0"), f"{path}.divisor")


def _validate_divisor(errors: Errors, resource: str, divisor: str, path: str) -> None:
    what = resource.partition(".")[2]
    noun = {"cpu": "cpu", "memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(what)
    if noun is None and what.startswith("hugepages-"):
        noun = "hugepages"
    allowed = _CPU_DIVISORS if what == "cpu" else _DIVISORS
    if noun is None or divisor in allowed or quantity.parse(divisor) == quantity.parse("0"):
        return
    shown = " and ".join(allowed) if what == "cpu" else ", ".join(allowed)
    errors.invalid(path, resource, f"only divisor's values {shown} are supported with the {noun} resource")


def validate_env_from(errors: Errors, sources: Iterable[Obj] | None, path: str) -> None:
    for index, source in enumerate(sources or ()):
        at = f"{path}[{index}]"
        if source.get("prefix"):
            errors.invalid_each(f"{at}.prefix", source["prefix"], names.env_var_name(source["prefix"]))
        refs = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
        for kind in refs:
            name = source[kind].get("name", "")
            if not name:
                errors.required(f"{at}.{kind}.name")
            else:
                whole = name[:-2] + "a" if len(name) > 1 and name.endswith("-") else name
                errors.invalid_each(f"{at}.{kind}.name", name, names.dns1123_subdomain(whole))
        if not refs:
            errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(refs) > 1:
            errors.invalid(path, "", "may not have more than one field specified at a time")
