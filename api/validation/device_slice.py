"""Slices of a driver's devices: where they can be used, what they are like, what they share.

Source: KEP-4381, KEP-4815 (partitionable devices), KEP-5075 (consumable capacity).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from api.validation.device import (
    each_once,
    name_of,
    validate_binding_conditions,
    validate_label,
    validate_needed_label,
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
_MAX_WORDS, _MAX_WORD = 32, 64
_VALUES = ("bool", "bools", "int", "ints", "string", "strings", "version", "versions")
_WHERE = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_OWN_WHERE = ("nodeName", "nodeSelector", "allNodes")
_ONE_OF_ITS_OWN = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)
_NOT_ALLOWED = (
    "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the "
    "ResourceSlice spec"
)
_NUMBER, _WORD = r"(0|[1-9][0-9]*)", r"(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_WORD}(\.{_WORD})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?"
)
_ONE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"


def validate_slice(spec: Obj, old: Obj | None = None) -> Sequence[Cause]:
    """A new slice's spec, or the one that follows upon `old`, which stays the same pool's, driver's and node's."""
    errors = Errors()
    pool, devices = spec.get("pool") or {}, spec.get("devices") or []
    validate_driver_name(errors, spec.get("driver", ""), "spec.driver")
    validate_pool(errors, pool.get("name", ""), "spec.pool.name")
    count, generation = pool.get("resourceSliceCount", 0), pool.get("generation", 0)
    if count <= 0:
        errors.invalid("spec.pool.resourceSliceCount", count, "must be greater than zero")
    if generation < 0:
        errors.invalid("spec.pool.generation", generation, "must be greater than or equal to zero")
    if old is not None:
        errors.immutable("spec.pool.name", pool.get("name"), (old.get("pool") or {}).get("name"))
        for field in ("driver", "nodeName"):
            errors.immutable(f"spec.{field}", spec.get(field), old.get(field))
    _validate_place(errors, spec)
    if spec.get("sharedCounters") is not None and spec.get("devices") is not None:
        errors.invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed")
    advanced = any(each.get("taints") or each.get("consumesCounters") for each in devices)
    most = _MAX_ADVANCED if advanced else _MAX_DEVICES
    own_place = bool(spec.get("perDeviceNodeSelection"))
    before = {name_of(each): each.get("taints") for each in (old or {}).get("devices") or ()}

    def device(each: Obj, at: str) -> None:
        tainted = name_of(each) not in before or before[name_of(each)] != each.get("taints")
        _validate_device(errors, each, at, own_place=own_place, tainted=tainted)

    def counters(each: Obj, at: str) -> None:
        validate_needed_label(errors, each.get("name", ""), f"{at}.name")
        _validate_counters(errors, each.get("counters") or {}, f"{at}.counters")

    each_once(errors, devices, most, "spec.devices", device, name_of)
    each_once(errors, spec.get("sharedCounters"), _MAX_SETS, "spec.sharedCounters", counters, name_of)
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


def _validate_device(errors: Errors, device: Obj, path: str, *, own_place: bool, tainted: bool) -> None:
    validate_label(errors, device.get("name", ""), f"{path}.name")
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    if len(attributes) + len(capacity) > _MAX_WORDS:
        message = f"the total number of attributes and capacities must not exceed {_MAX_WORDS}"
        errors.invalid(path, len(attributes) + len(capacity), message)
    for name, value in attributes.items():
        at = f"{path}.attributes[{name}]"
        validate_qualified(errors, name, at)
        _validate_attribute(errors, value, at)
    for name, amount in capacity.items():
        at = f"{path}.capacity[{name}]"
        validate_qualified(errors, name, at)
        if amount.get("requestPolicy") is not None and not device.get("allowMultipleAllocations"):
            errors.forbidden(f"{at}.requestPolicy", "allowMultipleAllocations must be true")
    if tainted:
        validate_taints(errors, device.get("taints"), f"{path}.taints")

    def consumed(each: Obj, at: str) -> None:
        validate_needed_label(errors, each.get("counterSet", ""), f"{at}.counterSet")
        _validate_counters(errors, each.get("counters") or {}, f"{at}.counters")

    used, at = device.get("consumesCounters"), f"{path}.consumesCounters"
    each_once(errors, used, _MAX_CONSUMED, at, consumed, lambda each: each.get("counterSet", ""))
    if own_place:
        _validate_own_place(errors, device, path)
    elif any(device.get(key) is not None for key in _OWN_WHERE):
        errors.invalid(path, None, _NOT_ALLOWED)
    validate_binding_conditions(errors, device, path)


def _validate_own_place(errors: Errors, device: Obj, path: str) -> None:
    chosen = []
    node, selector, everywhere = (device.get(key) for key in _OWN_WHERE)
    if node:
        chosen.append("`nodeName`")
        errors.invalid_each(f"{path}.nodeName", node, names.dns1123_subdomain(node))
    elif node is not None:
        errors.invalid(f"{path}.nodeName", node, "must not be empty")
    if selector is not None:
        chosen.append("`nodeSelector`")
        validate_node_terms(errors, selector, f"{path}.nodeSelector")
    if everywhere:
        chosen.append("`allNodes`")
    elif everywhere is not None:
        errors.invalid(f"{path}.allNodes", everywhere, "must be either unset or set to true")
    if not chosen:
        errors.required(path, _ONE_OF_ITS_OWN)
    elif len(chosen) > 1:
        errors.invalid(path, f"{{{', '.join(chosen)}}}", _ONE_OF_ITS_OWN)


def _validate_attribute(errors: Errors, value: Obj, path: str) -> None:
    given = [field for field in _VALUES if value.get(field) is not None]
    for field in ("string", "version"):
        text = value.get(field)
        if field == "version" and text is not None and _SEMVER.fullmatch(text) is None:
            errors.invalid(f"{path}.version", text, "must be a string compatible with semver.org spec 2.0.0")
        if len((text or "").encode()) > _MAX_WORD:
            errors.too_long(f"{path}.{field}", _MAX_WORD)
    if len(given) != 1:
        errors.invalid(path, value if given else "", "exactly one value must be specified")


def _validate_counters(errors: Errors, counters: Obj, path: str) -> None:
    if not counters:
        errors.required(path)
        return
    if len(counters) > _MAX_COUNTERS:
        errors.too_many(path, len(counters), _MAX_COUNTERS)
        return
    for name in counters:
        errors.invalid_each(f"{path}[{name}]", name, names.dns1123_label(name))
