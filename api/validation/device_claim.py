"""What a claim asks for and what it got: requests, constraints, settings, allocation.

Source: KEP-4381 (structured parameters), KEP-4816 (prioritized lists).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.device import (
    MAX_CONFIGS,
    MAX_CONSTRAINTS,
    MAX_REQUESTS,
    default_tolerations,
    each_of,
    unique,
    validate_configuration,
    validate_label,
    validate_pool,
    validate_qualified,
    validate_raw,
    validate_selectors,
    validate_tolerations,
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
    each_of(
        errors, requests, MAX_REQUESTS, f"{at}.requests", lambda r, here: _validate_request(errors, r, here)
    )
    unique(errors, [each.get("name") for each in requests], f"{at}.requests")

    def constraint(each: Obj, here: str) -> None:
        _validate_refs(errors, each.get("requests"), known, f"{here}.requests")
        if each.get("matchAttribute") is not None:
            validate_qualified(errors, each["matchAttribute"], f"{here}.matchAttribute", fully=True)
        elif each.get("distinctAttribute") is not None:
            validate_qualified(errors, each["distinctAttribute"], f"{here}.distinctAttribute", fully=True)
        else:
            errors.required(here, 'exactly one of "matchAttribute" or "distinctAttribute" is required')

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
    each_of(errors, refs, MAX_REQUESTS, path, lambda name, at: _validate_ref(errors, name, known, at))
    unique(errors, refs or (), path)


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

        each_of(errors, choices, _MAX_ALTERNATIVES, at, choice)
        unique(errors, [each.get("name") for each in choices], at)


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

    each_of(errors, users, _MAX_USERS, "status.reservedFor", user)
    unique(errors, [each.get("uid") for each in users], "status.reservedFor")
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
        validate_tolerations(errors, each.get("tolerations"), f"{at}.tolerations")

    def config(each: Obj, at: str) -> None:
        sources = ("FromClaim", "FromClass")
        errors.one_of(f"{at}.source", each.get("source"), sources, required=True)
        _validate_refs(errors, each.get("requests"), known, f"{at}.requests")
        validate_configuration(errors, each, at)

    each_of(errors, devices.get("results"), _MAX_RESULTS, f"{path}.devices.results", result)
    each_of(errors, devices.get("config"), 2 * MAX_CONFIGS, f"{path}.devices.config", config)
    if allocation.get("nodeSelector") is not None:
        validate_node_terms(errors, allocation["nodeSelector"], f"{path}.nodeSelector")


def _validate_device_statuses(errors: Errors, devices: list[Obj], allocation: Obj) -> None:
    results = (allocation.get("devices") or {}).get("results") or ()
    given = [tuple(each.get(key) for key in _DEVICE) for each in results]
    unique(errors, [tuple(each.get(key) for key in _DEVICE) for each in devices], "status.devices")
    for index, device in enumerate(devices):
        at = f"status.devices[{index}]"
        validate_driver_name(errors, device.get("driver", ""), f"{at}.driver")
        validate_pool(errors, device.get("pool", ""), f"{at}.pool")
        validate_label(errors, device.get("device", ""), f"{at}.device")
        if tuple(device.get(key) for key in _DEVICE) not in given:
            errors.invalid(at, device.get("device", ""), "must be an allocated device in the claim")
        if device.get("data"):
            validate_raw(errors, device["data"], f"{at}.data", _MAX_DATA)
        network = device.get("networkData") or {}
        for position, address in enumerate(network.get("ips") or ()):
            errors.invalid_each(f"{at}.networkData.ips[{position}]", address, names.cidr(address))
