"""Slices of a driver's devices: where they can be used, what they are like, what they share.

Source: KEP-4381, KEP-4815 (partitionable devices), KEP-5075 (consumable capacity).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.device import (
    each_of,
    unique,
    validate_label,
    validate_pool,
    validate_qualified,
    validate_taints,
)
from api.validation.errors import Errors
from api.validation.parameters import validate_driver_name
from api.validation.scheduling import validate_node_terms
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_MAX_DEVICES, _MAX_ADVANCED, _MAX_SETS, _MAX_COUNTERS, _MAX_CONSUMED = 128, 64, 8, 32, 2
_MAX_WORDS, _MAX_WORD, _MAX_BINDING = 32, 64, 4
_VALUES = ("bool", "bools", "int", "ints", "string", "strings", "version", "versions")
_WHERE = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_ONE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"


def validate_slice(spec: Obj) -> Sequence[Cause]:
    errors = Errors()
    pool, devices = spec.get("pool") or {}, spec.get("devices") or []
    validate_driver_name(errors, spec.get("driver", ""), "spec.driver")
    validate_pool(errors, pool.get("name", ""), "spec.pool.name")
    if pool.get("resourceSliceCount", 0) <= 0:
        errors.invalid(
            "spec.pool.resourceSliceCount", pool.get("resourceSliceCount", 0), "must be greater than zero"
        )
    errors.non_negative("spec.pool.generation", pool.get("generation"))
    _validate_place(errors, spec)
    if spec.get("sharedCounters") is not None and spec.get("devices") is not None:
        errors.invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed")
    advanced = any(each.get("taints") or each.get("consumesCounters") for each in devices)
    most = _MAX_ADVANCED if advanced else _MAX_DEVICES
    own_place = bool(spec.get("perDeviceNodeSelection"))

    def device(each: Obj, at: str) -> None:
        _validate_device(errors, each, at, own_place=own_place)

    def counters(each: Obj, at: str) -> None:
        validate_label(errors, each.get("name", ""), f"{at}.name")
        _validate_counters(errors, each.get("counters") or {}, f"{at}.counters")

    each_of(errors, devices, most, "spec.devices", device)
    unique(errors, [each.get("name") for each in devices], "spec.devices")
    sets = spec.get("sharedCounters") or []
    each_of(errors, sets, _MAX_SETS, "spec.sharedCounters", counters)
    unique(errors, [each.get("name") for each in sets], "spec.sharedCounters")
    return errors.causes


def _validate_place(errors: Errors, spec: Obj) -> None:
    chosen = []
    for field in _WHERE:
        value = spec.get(field)
        if value is None:
            continue
        path = f"spec.{field}"
        if field == "nodeName" and not value:
            errors.invalid(path, value, "must be either unset or set to a non-empty string")
        elif field == "nodeName":
            errors.invalid_each(path, value, names.dns1123_subdomain(value))
        elif field == "nodeSelector":
            validate_node_terms(errors, value, path)
            if len(value.get("nodeSelectorTerms") or ()) != 1:
                terms = value.get("nodeSelectorTerms") or []
                message = "must have exactly one node selector term"
                errors.invalid(f"{path}.nodeSelectorTerms", terms, message)
        elif not value:
            errors.invalid(path, value, "must be either unset or set to true")
        if value:
            chosen.append(f"`{field}`")
    if not chosen:
        errors.required("spec", _ONE)
    elif len(chosen) > 1:
        errors.invalid("spec", f"{{{', '.join(chosen)}}}", f"{_ONE}, but multiple fields are set")


def _validate_device(errors: Errors, device: Obj, path: str, *, own_place: bool) -> None:
    validate_label(errors, device.get("name", ""), f"{path}.name")
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    if len(attributes) + len(capacity) > _MAX_WORDS:
        message = f"the total number of attributes and capacities must not exceed {_MAX_WORDS}"
        errors.invalid(path, len(attributes) + len(capacity), message)
    for name, value in attributes.items():
        at = f"{path}.attributes[{name}]"
        validate_qualified(errors, name, at)
        _validate_attribute(errors, value, at)
    for name in capacity:
        validate_qualified(errors, name, f"{path}.capacity[{name}]")
    validate_taints(errors, device.get("taints"), f"{path}.taints")
    used = device.get("consumesCounters") or []

    def consumed(each: Obj, at: str) -> None:
        validate_label(errors, each.get("counterSet", ""), f"{at}.counterSet")
        _validate_counters(errors, each.get("counters") or {}, f"{at}.counters")

    each_of(errors, used, _MAX_CONSUMED, f"{path}.consumesCounters", consumed)
    unique(errors, [each.get("counterSet") for each in used], f"{path}.consumesCounters")
    places = [key for key in ("nodeName", "nodeSelector", "allNodes") if device.get(key)]
    if own_place and not places:
        message = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set"
        errors.required(path, message)
    for key in places if not own_place else places[1:]:
        message = "must not be set unless `perDeviceNodeSelection` is set, and then alone"
        errors.invalid(f"{path}.{key}", device[key], message)
    for field in ("bindingConditions", "bindingFailureConditions"):
        conditions = device.get(field) or []
        if len(conditions) > _MAX_BINDING:
            errors.too_many(f"{path}.{field}", len(conditions), _MAX_BINDING)
        for index, condition in enumerate(conditions):
            errors.invalid_each(f"{path}.{field}[{index}]", condition, names.qualified_name(condition))


def _validate_attribute(errors: Errors, value: Obj, path: str) -> None:
    given = [field for field in _VALUES if value.get(field) is not None]
    if not given:
        errors.required(path, "exactly one value must be specified")
    elif len(given) > 1:
        errors.invalid(path, value, "exactly one value must be specified")
    for field in ("string", "version"):
        if len(value.get(field) or "") > _MAX_WORD:
            errors.too_long(f"{path}.{field}", _MAX_WORD)


def _validate_counters(errors: Errors, counters: Obj, path: str) -> None:
    if not counters:
        errors.required(path)
    if len(counters) > _MAX_COUNTERS:
        errors.too_many(path, len(counters), _MAX_COUNTERS)
    for name in counters:
        errors.invalid_each(f"{path}[{name}]", name, names.dns1123_label(name))
