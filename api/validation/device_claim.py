"""What a claim asks for and what it got: requests, constraints, settings, allocation.

Source: KEP-4381 (structured parameters), KEP-4816 (prioritized lists).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.addresses import validate_interface_address
from api.validation.conditions import validate_conditions
from api.validation.device import (
    MAX_CONFIGS,
    MAX_CONSTRAINTS,
    MAX_REQUESTS,
    default_tolerations,
    each_of,
    each_once,
    name_of,
    validate_binding_conditions,
    validate_configuration,
    validate_label,
    validate_pool,
    validate_qualified,
    validate_raw,
    validate_selectors,
    validate_tolerations,
    validate_uid,
)
from api.validation.errors import Errors
from api.validation.parameters import validate_driver_name
from api.validation.scheduling import validate_node_terms
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_MAX_ALTERNATIVES, _MAX_RESULTS, _MAX_USERS, _MAX_DATA = 8, 32, 256, 10 * 1024
_NO_SUCH = (
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
)
_NO_NEW_USERS = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
_MAX_CONDITIONS, _MAX_IPS = 8, 16
_NO_ATTRIBUTE = (
    'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
)
_DEVICE = ("driver", "pool", "device", "shareID")
_EITHER = "exactly one of `exactly` or `firstAvailable` is required"


def default_claim(spec: Obj) -> None:
    for request in (spec.get("devices") or {}).get("requests") or ():
        exactly = request.get("exactly")
        for each in [*([exactly] if exactly is not None else []), *(request.get("firstAvailable") or ())]:
            if not each.get("allocationMode"):
                each["allocationMode"] = "ExactCount"
            if each["allocationMode"] == "ExactCount" and not each.get("count"):
                each["count"] = 1
            default_tolerations(each)


def validate_claim_devices(errors: Errors, spec: Obj, path: str) -> None:
    """A ResourceClaimSpec at `path`."""
    devices, at = spec.get("devices") or {}, f"{path}.devices"
    requests = devices.get("requests") or []
    known = _names(requests)
    each_once(
        errors,
        requests,
        MAX_REQUESTS,
        f"{at}.requests",
        lambda request, here: _validate_request(errors, request, here),
        name_of,
    )

    def constraint(each: Obj, here: str) -> None:
        _validate_refs(errors, each.get("requests"), known, f"{here}.requests")
        if each.get("matchAttribute") is not None:
            validate_qualified(errors, each["matchAttribute"], f"{here}.matchAttribute", fully=True)
        elif each.get("distinctAttribute") is not None:
            validate_qualified(errors, each["distinctAttribute"], f"{here}.distinctAttribute", fully=True)
        else:
            errors.required(here, _NO_ATTRIBUTE)

    def config(each: Obj, here: str) -> None:
        _validate_refs(errors, each.get("requests"), known, f"{here}.requests")
        validate_configuration(errors, each, here)

    each_of(errors, devices.get("constraints"), MAX_CONSTRAINTS, f"{at}.constraints", constraint)
    each_of(errors, devices.get("config"), MAX_CONFIGS, f"{at}.config", config)


def _names(requests: Sequence[Obj]) -> frozenset[str]:
    """Every way to name a request: `main`, and `main/sub` for its alternatives."""
    found = {each.get("name", "") for each in requests}
    for request in requests:
        for each in request.get("firstAvailable") or ():
            found.add(f"{request.get('name', '')}/{each.get('name', '')}")
    return frozenset(found)


def _validate_refs(errors: Errors, refs: list[str] | None, known: frozenset[str], path: str) -> None:
    each_once(
        errors,
        refs,
        MAX_REQUESTS,
        path,
        lambda name, at: _validate_ref(errors, name, known, at),
        lambda name: name,
    )


def _validate_ref(errors: Errors, name: str, known: frozenset[str], path: str) -> None:
    if name.count("/") > 1:
        errors.invalid(path, name, _NO_SUCH)
        return
    for part in name.split("/"):
        errors.invalid_each(path, part, names.dns1123_label(part))
    if name not in known:
        errors.invalid(path, name, _NO_SUCH)


def _validate_request(errors: Errors, request: Obj, path: str) -> None:
    validate_label(errors, request.get("name", ""), f"{path}.name")
    exactly, choices = request.get("exactly"), request.get("firstAvailable") or []
    if exactly is None and not choices:
        errors.required(path, _EITHER)
    elif exactly is not None and choices:
        errors.invalid(path, None, f"{_EITHER}, but multiple fields are set")
    elif exactly is not None:
        _validate_wanted(errors, exactly, f"{path}.exactly")
    else:
        at = f"{path}.firstAvailable"

        def choice(each: Obj, here: str) -> None:
            validate_label(errors, each.get("name", ""), f"{here}.name")
            _validate_wanted(errors, each, here)

        each_once(errors, choices, _MAX_ALTERNATIVES, at, choice, name_of)


def _validate_wanted(errors: Errors, wanted: Obj, path: str) -> None:
    name, mode, count = (
        wanted.get("deviceClassName", ""),
        wanted.get("allocationMode"),
        wanted.get("count", 0),
    )
    if not name:
        errors.required(f"{path}.deviceClassName")
    else:
        errors.invalid_each(f"{path}.deviceClassName", name, names.dns1123_subdomain(name))
    validate_selectors(errors, wanted.get("selectors"), f"{path}.selectors")
    if mode == "All":
        if count:
            message = "must not be specified when allocationMode is 'All'"
            errors.invalid(f"{path}.count", count, message)
    elif mode == "ExactCount":
        if count <= 0:
            errors.invalid(f"{path}.count", count, "must be greater than zero")
    else:
        errors.not_supported(f"{path}.allocationMode", mode or "", ("All", "ExactCount"))
    validate_tolerations(errors, wanted.get("tolerations"), f"{path}.tolerations")


# --- status -------------------------------------------------------------------------------------------------


def validate_claim_status(claim: Obj, old: Obj) -> Sequence[Cause]:
    errors = Errors()
    status, before = claim.get("status") or {}, old.get("status") or {}
    allocation, users = status.get("allocation"), status.get("reservedFor") or []

    def user(each: Obj, at: str) -> None:
        for field in ("resource", "name", "uid"):
            if not each.get(field):
                errors.required(f"{at}.{field}")

    each_once(errors, users, _MAX_USERS, "status.reservedFor", user, lambda each: each.get("uid", ""))
    _validate_device_statuses(errors, status.get("devices") or [], allocation or {})
    if users and allocation is None:
        errors.forbidden("status.reservedFor", "may not be specified when `allocated` is not set")
    elif claim["metadata"].get("deletionTimestamp") and any(
        each not in (before.get("reservedFor") or ()) for each in users
    ):
        errors.forbidden("status.reservedFor", _NO_NEW_USERS)
    if allocation is not None and before.get("allocation") is not None:
        errors.immutable("status.allocation", allocation, before["allocation"])
    elif allocation is not None:
        requests = ((claim.get("spec") or {}).get("devices") or {}).get("requests") or []
        _validate_allocation(errors, allocation, _names(requests))
    return errors.causes


def _validate_allocation(errors: Errors, allocation: Obj, known: frozenset[str]) -> None:
    path = "status.allocation"
    devices = allocation.get("devices") or {}

    def result(each: Obj, at: str) -> None:
        _validate_ref(errors, each.get("request", ""), known, f"{at}.request")
        validate_driver_name(errors, each.get("driver", ""), f"{at}.driver")
        validate_pool(errors, each.get("pool", ""), f"{at}.pool")
        validate_label(errors, each.get("device", ""), f"{at}.device")
        validate_binding_conditions(errors, each, at)
        if each.get("shareID") is not None:
            validate_uid(errors, each["shareID"], f"{at}.shareID")

    def config(each: Obj, at: str) -> None:
        sources = ("FromClaim", "FromClass")
        errors.one_of(f"{at}.source", each.get("source"), sources, required=True)
        _validate_refs(errors, each.get("requests"), known, f"{at}.requests")
        validate_configuration(errors, each, at)

    each_of(errors, devices.get("results"), _MAX_RESULTS, f"{path}.devices.results", result)
    each_of(errors, devices.get("config"), 2 * MAX_CONFIGS, f"{path}.devices.config", config)
    if allocation.get("nodeSelector") is not None:
        validate_node_terms(errors, allocation["nodeSelector"], f"{path}.nodeSelector")


def _id(device: Obj) -> tuple[Any, ...]:
    return tuple(device.get(key) for key in _DEVICE)


def _validate_device_statuses(errors: Errors, devices: list[Obj], allocation: Obj) -> None:
    given = [_id(each) for each in (allocation.get("devices") or {}).get("results") or ()]
    for index, device in enumerate(devices):
        _validate_device_status(errors, device, f"status.devices[{index}]", given)
    seen: list[tuple[Any, ...]] = []
    for index, device in enumerate(devices):
        if _id(device) in seen:
            errors.duplicate(f"status.devices[{index}]", _shown(device))
        seen.append(_id(device))


def _shown(device: Obj) -> str:
    return "/".join(str(part) for part in _id(device) if part is not None)


def _validate_device_status(errors: Errors, device: Obj, path: str, given: list[tuple[Any, ...]]) -> None:
    validate_driver_name(errors, device.get("driver", ""), f"{path}.driver")
    validate_pool(errors, device.get("pool", ""), f"{path}.pool")
    validate_label(errors, device.get("device", ""), f"{path}.device")
    if device.get("shareID") is not None:
        validate_uid(errors, device["shareID"], f"{path}.shareID")
    if _id(device) not in given:
        errors.invalid(path, _shown(device), "must be an allocated device in the claim")
    conditions = device.get("conditions") or []
    if len(conditions) > _MAX_CONDITIONS:
        errors.too_many(f"{path}.conditions", len(conditions), _MAX_CONDITIONS)
    validate_conditions(errors, conditions, f"{path}.conditions")
    if device.get("data") is not None:
        validate_raw(errors, device["data"], f"{path}.data", _MAX_DATA)
    network, at = device.get("networkData") or {}, f"{path}.networkData"
    for field, most in (("interfaceName", 256), ("hardwareAddress", 128)):
        if len(network.get(field, "").encode()) > most:
            errors.too_long(f"{at}.{field}", most)
    each_once(
        errors,
        network.get("ips"),
        _MAX_IPS,
        f"{at}.ips",
        lambda address, here: validate_interface_address(errors, address, here),
        lambda address: address,
    )
