"""A Service's cluster addresses and their families: how they go together, and what of them may change.

Source: Kubernetes "IPv4/IPv6 dual-stack", KEP-563.
"""

from __future__ import annotations

from typing import Any

from api.validation.addresses import are_of_both_families, is_ipv6, validate_ip
from api.validation.errors import Errors

Obj = dict[str, Any]

_FAMILIES = ("IPv4", "IPv6")
_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_SET = "may not change once set"


def is_headless(spec: Obj) -> bool:
    return spec.get("clusterIPs") == ["None"]


def validate_addresses(errors: Errors, spec: Obj, old: Obj | None) -> None:
    """clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy of any type but ExternalName."""
    if spec.get("type") == "ExternalName":
        return
    single, several, families = (
        spec.get("clusterIP"),
        spec.get("clusterIPs") or [],
        spec.get("ipFamilies") or [],
    )
    path = "spec.clusterIPs"
    if single and not several:
        errors.required(path)
    elif single and several[0] != single:
        errors.invalid(path, several, "first value must match `clusterIP`")
    elif several and not single:
        errors.invalid(path, several, "must be empty when `clusterIP` is not specified")
    for index, family in enumerate(families):
        if family not in _FAMILIES:
            errors.not_supported(f"spec.ipFamilies[{index}]", family, _FAMILIES)
        if family in families[:index]:
            errors.duplicate(f"spec.ipFamilies[{index}]", family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _POLICIES:
        errors.not_supported("spec.ipFamilyPolicy", policy, _POLICIES)
    good, kept = True, (old or {}).get("clusterIPs") or ()
    for index, address in enumerate(several):
        if index == 0 and address == "None":
            if len(several) > 1:
                good = False
                errors.invalid(path, several, "'None' must be the first and only value")
        else:
            good = validate_ip(errors, address, f"{path}[{index}]", kept) and good
    if len(several) > 2:
        errors.invalid(path, several, "may only hold up to 2 values")
    if not good:
        return
    if len(several) > 1 and not are_of_both_families(several):
        errors.invalid(path, several, "may specify no more than one IP for each IP family")
    if not is_headless(spec):
        for index, (address, family) in enumerate(zip(several, families, strict=False)):
            if family in _FAMILIES and is_ipv6(address) is not (family == "IPv6"):
                message = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
                errors.invalid(f"{path}[{index}]", address, message)


def validate_addresses_update(errors: Errors, spec: Obj, old: Obj) -> None:
    """The first stays, the second comes and goes."""
    if "ExternalName" in (spec.get("type"), old.get("type")):
        return
    if not (is_headless(spec) and is_headless(old)):
        _validate_kept_addresses(errors, spec, old)
    if not is_headless(spec) and not is_headless(old):
        _validate_kept_families(errors, spec, old)


def _validate_kept_addresses(errors: Errors, spec: Obj, old: Obj) -> None:
    now, was, path = spec.get("clusterIPs") or [], old.get("clusterIPs") or [], "spec.clusterIPs"
    if len(now) == len(was):
        for index, (address, before) in enumerate(zip(now, was, strict=True)):
            if address != before:
                errors.invalid(f"{path}[{index}]", now, _SET)
        return
    if not now:
        errors.invalid(f"{path}[0]", now, "primary clusterIP can not be unset")
    elif was and now[0] != was[0]:
        errors.invalid(f"{path}[0]", now, _SET)
    if len(was) > len(now) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        message = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        errors.invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), message)


def _validate_kept_families(errors: Errors, spec: Obj, old: Obj) -> None:
    now, was, path = spec.get("ipFamilies") or [], old.get("ipFamilies") or [], "spec.ipFamilies[0]"
    if len(now) == len(was):
        for family, before in zip(now, was, strict=True):
            if family != before:
                errors.invalid(path, now, _SET)
        return
    if len(was) > len(now) and not spec.get("clusterIPs"):
        errors.invalid(path, now, "primary ipFamily can not be unset")
    if now and was and now[0] != was[0]:
        errors.invalid(path, spec.get("clusterIPs") or [], _SET)
    if len(was) > len(now) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        message = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        errors.invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), message)
