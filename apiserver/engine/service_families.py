"""Which addresses and families a Service asks for: what its linked fields mean together, before an address is taken.

    plan_families(spec, was, family) → what is wrong; `spec` then says clusterIPs, ipFamilies and ipFamilyPolicy

Pure. `was` is the spec before, None at birth. `family` is the only one this server gives addresses of: who requires
both, or the other one, is refused. A Service without head and selector takes no address and may name any families;
it is of both unless it says otherwise, for its endpoints are somebody else's.

Source: pkg/registry/core/service/storage/alloc.go, KEP-563.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.resource import Obj
from api.validation.addresses import is_ipv6
from api.validation.errors import Errors
from api.validation.service_addresses import is_headless, validate_addresses
from machinery.errors import Cause

_OTHER = {"IPv4": "IPv6", "IPv6": "IPv4"}
_SEVERAL = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"
_POLICY = "spec.ipFamilyPolicy"


def plan_families(spec: Obj, was: Obj | None, family: str) -> list[Cause]:
    """Of any type but ExternalName; whoever said only `clusterIP`, or left out what was given, is understood."""
    link(spec, was)
    given = was if was is not None and was.get("type") != "ExternalName" else None
    if given is not None:
        for field in ("clusterIP", "clusterIPs"):
            if not spec.get(field) and given.get(field):
                spec[field] = given[field]
        if _prefers_as_before(spec, given):
            return []
    alone = spec.get("clusterIP") == "None" and not spec.get("selector")
    if not spec.get("ipFamilyPolicy"):
        before = (was or {}).get("ipFamilyPolicy")
        spec["ipFamilyPolicy"] = before or ("RequireDualStack" if alone else "SingleStack")
    return (
        _judged(lambda errors: validate_addresses(errors, spec, was))
        or _judged(lambda errors: _infer(errors, spec, family))
        or ([] if alone else _judged(lambda errors: _judge_served(errors, spec, family)))
        or _complete(spec, family, alone)
    )


def link(spec: Obj, was: Obj | None) -> None:
    """`clusterIPs` as `clusterIP` was meant, where only that was said or changed."""
    single, several = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    before = (was or {}).get("clusterIP") or ""
    if single == before or several != ((was or {}).get("clusterIPs") or []):
        return
    if single:
        spec["clusterIPs"] = [single]
    else:
        spec.pop("clusterIPs", None)


def _prefers_as_before(spec: Obj, was: Obj) -> bool:
    """Who prefers two families keeps what there was when it was made, whatever the server has by now."""
    fields = ("clusterIPs", "ipFamilies")
    same = all(spec.get(field) and spec.get(field) == was.get(field) for field in fields)
    return same and spec.get("ipFamilyPolicy") == was.get("ipFamilyPolicy") == "PreferDualStack"


def _judged(judge: Callable[[Errors], None]) -> list[Cause]:
    errors = Errors()
    judge(errors)
    return list(errors.causes)


def _infer(errors: Errors, spec: Obj, family: str) -> None:
    """Families from addresses."""
    addresses, families = spec.get("clusterIPs") or [], list(spec.get("ipFamilies") or ())
    if spec["ipFamilyPolicy"] == "SingleStack":
        if len(addresses) == 2:
            errors.invalid(_POLICY, spec["ipFamilyPolicy"], _SEVERAL.format("cluster IPs"))
        if len(families) == 2:
            errors.invalid(_POLICY, spec["ipFamilyPolicy"], _SEVERAL.format("IP families"))
    if is_headless(spec):
        return
    for index in range(len(families), len(addresses)):
        found = "IPv6" if is_ipv6(addresses[index]) else "IPv4"
        if found != family:
            errors.invalid(
                f"spec.clusterIPs[{index}]", addresses, f"{found} is not configured on this cluster"
            )
        else:
            families.append(found)
            spec["ipFamilies"] = families


def _judge_served(errors: Errors, spec: Obj, family: str) -> None:
    if spec["ipFamilyPolicy"] == "RequireDualStack":
        message = "this cluster is not configured for dual-stack services"
        errors.invalid(_POLICY, spec["ipFamilyPolicy"], message)
    for index, each in enumerate(spec.get("ipFamilies") or ()):
        if each != family:
            errors.invalid(f"spec.ipFamilies[{index}]", each, "not configured on this cluster")


def _complete(spec: dict[str, Any], family: str, alone: bool) -> list[Cause]:
    families = spec["ipFamilies"] = list(spec.get("ipFamilies") or [family])
    if alone and len(families) == 1 and spec["ipFamilyPolicy"] != "SingleStack":
        families.append(_OTHER[families[0]])
    return []
