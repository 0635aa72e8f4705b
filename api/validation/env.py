"""Environment variables, and references to fields and resources of the pod itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from api.validation.errors import Errors
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
_KNOWN_FIELDS = frozenset({*_ENV_FIELDS, "metadata.labels", "metadata.annotations"})
_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_DIVISORS = {
    "cpu": ("1", "1m"),
    "memory": ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"),
}
_SUBSCRIPTED = re.compile(r"(metadata\.(?:labels|annotations))\['(.*)'\]")
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
    if not named:
        errors.invalid(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
        )
    elif variable.get("value"):
        errors.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(named) > 1:
        errors.invalid(path, "", "may not have more than one field specified at a time")
    for kind in named:
        at, ref = f"{path}.{kind}", source[kind]
        match kind:
            case "fieldRef":
                validate_field_ref(errors, ref, at, _ENV_FIELDS, subscripts=True)
            case "resourceFieldRef":
                validate_resource_field_ref(errors, ref, at)
            case "fileKeyRef":
                for field in ("volumeName", "path", "key"):
                    if not ref.get(field):
                        errors.required(f"{at}.{field}")
            case _:
                if not ref.get("name"):
                    errors.required(f"{at}.name")
                if not ref.get("key"):
                    errors.required(f"{at}.key")
                else:
                    errors.invalid_each(f"{at}.key", ref["key"], names.config_map_key(ref["key"]))


def validate_field_ref(
    errors: Errors, ref: Obj, path: str, supported: Iterable[str], *, subscripts: bool = False
) -> None:
    """A fieldRef; `subscripts`: single labels and annotations may be named, as metadata.labels['x']."""
    if not ref.get("apiVersion"):
        errors.required(f"{path}.apiVersion")
        return
    field = ref.get("fieldPath", "")
    if not field:
        errors.required(f"{path}.fieldPath")
        return
    subscripted = _SUBSCRIPTED.fullmatch(field)
    if subscripted:
        key = subscripted.group(2)
        shown = key.lower() if subscripted.group(1).endswith("annotations") else key
        errors.invalid_each(f"{path}.fieldPath", key, names.qualified_name(shown))
    elif field not in _KNOWN_FIELDS:
        message = f"error converting fieldPath: field label not supported: {field}"
        errors.invalid(f"{path}.fieldPath", field, message)
    elif field not in (choices := tuple(supported)):
        errors.not_supported(f"{path}.fieldPath", field, choices)


def validate_resource_field_ref(errors: Errors, ref: Obj, path: str, *, volume: bool = False) -> None:
    resource = ref.get("resource", "")
    if volume and not ref.get("containerName"):
        errors.required(f"{path}.containerName")
    elif not resource:
        errors.required(f"{path}.resource")
    elif resource not in _RESOURCES and not resource.startswith(("limits.hugepages-", "requests.hugepages-")):
        errors.not_supported(f"{path}.resource", resource, _RESOURCES)
    else:
        _validate_divisor(errors, resource, ref.get("divisor", "0"), f"{path}.divisor")


def _validate_divisor(errors: Errors, resource: str, divisor: str, path: str) -> None:
    if quantity.parse(divisor) == quantity.parse("0"):
        return
    what = resource.partition(".")[2]
    allowed = _DIVISORS["cpu" if what == "cpu" else "memory"]
    if divisor not in allowed:
        label = {"cpu": "cpu", "memory": "memory", "ephemeral-storage": "local ephemeral storage"}
        few = " and ".join(allowed) if what == "cpu" else ", ".join(allowed)
        noun = label.get(what, "hugepages")
        errors.invalid(path, divisor, f"only divisor's values {few} are supported with the {noun} resource")


def validate_env_from(errors: Errors, sources: Iterable[Obj] | None, path: str) -> None:
    for index, source in enumerate(sources or ()):
        at = f"{path}[{index}]"
        if source.get("prefix"):
            errors.invalid_each(f"{at}.prefix", source["prefix"], names.env_var_name(source["prefix"]))
        refs = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
        for kind in refs:
            if not source[kind].get("name"):
                errors.required(f"{at}.{kind}.name")
        if not refs:
            errors.invalid(at, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(refs) > 1:
            errors.invalid(at, "", "may not have more than one field specified at a time")
