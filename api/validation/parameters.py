"""Rules that the kinds of storage share: names of drivers, settings for them, topologies, access modes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.validation.errors import Errors
from machinery import names

Obj = dict[str, Any]

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
_MAX_PARAMETERS, _MAX_PARAMETER_BYTES, _MAX_DRIVER = 512, 256 * 1024, 63
_SHORT = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def validate_driver_name(errors: Errors, name: str, path: str) -> None:
    """The name of a CSI driver: a DNS name that fits into a label."""
    if not name:
        errors.required(path)
    if len(name) > _MAX_DRIVER:
        errors.too_long(path, _MAX_DRIVER)
    errors.invalid_each(path, name, names.dns1123_subdomain(name.lower()))


def validate_provisioner(errors: Errors, name: str, path: str) -> None:
    """Who makes volumes, or changes them: a qualified name, its case does not matter."""
    if not name:
        errors.required(path)
    else:
        errors.invalid_each(path, name, names.qualified_name(name.lower()))


def validate_parameters(
    errors: Errors, parameters: dict[str, str] | None, path: str, *, needed: bool = False
) -> None:
    parameters = parameters or {}
    if len(parameters) > _MAX_PARAMETERS:
        errors.too_long(path, _MAX_PARAMETERS)
        return
    for key in parameters:
        if not key:
            errors.invalid(path, key, "field can not be empty.")
    size = sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items())
    if size > _MAX_PARAMETER_BYTES:
        errors.too_long(path, _MAX_PARAMETER_BYTES)
    if needed and not parameters:
        errors.required(path, "must contain at least one key/value pair")


def validate_access_modes(errors: Errors, modes: list[str], path: str) -> None:
    for mode in modes:
        if mode not in ACCESS_MODES:
            errors.not_supported(path, mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes")


def validate_topologies(errors: Errors, terms: Iterable[Obj] | None, path: str) -> None:
    """allowedTopologies: every term's keys are labels, told apart, with values told apart."""
    seen: list[dict[str, frozenset[str]]] = []
    for index, term in enumerate(terms or ()):
        at, keys = f"{path}[{index}].matchLabelExpressions", {}
        for position, each in enumerate(term.get("matchLabelExpressions") or ()):
            where, key, values = f"{at}[{position}]", each.get("key", ""), each.get("values") or []
            if not values:
                errors.required(f"{where}.values")
            for number, value in enumerate(values):
                if value in values[:number]:
                    errors.duplicate(f"{where}.values[{number}]", value)
            errors.invalid_each(f"{where}.key", key, names.qualified_name(key))
            if key in keys:
                errors.duplicate(f"{where}.key", "")
            keys[key] = frozenset(values)
        if keys in seen:
            errors.duplicate(f"{path}[{index}].matchLabelExpressions", "")
        seen.append(keys)


def short_modes(modes: Iterable[str] | None) -> str:
    """`RWO,ROX`: the modes in their short form, in upstream's order, each once."""
    given = set(modes or ())
    return ",".join(short for mode, short in _SHORT.items() if mode in given)
