"""IPAddress: an address that is taken; its name is the address."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME, NONE, field
from api.resource import Column, Strategy
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class IPAddressStrategy(Strategy):
    name_rule = "path"  # an address of version 6 is no DNS name

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        _validate_name(errors, obj["metadata"].get("name", ""))
        parent = (obj.get("spec") or {}).get("parentRef")
        if parent is None:
            errors.required("spec.parentRef")
            return errors.causes
        path = "spec.parentRef"
        if not parent.get("resource"):
            errors.required(f"{path}.resource")
        else:
            errors.invalid_each(
                f"{path}.resource", parent["resource"], names.path_segment(parent["resource"])
            )
        if not parent.get("name"):
            errors.required(f"{path}.name")
        else:
            errors.invalid_each(f"{path}.name", parent["name"], names.path_segment(parent["name"]))
        if parent.get("group"):
            errors.invalid_each(f"{path}.group", parent["group"], names.dns1123_subdomain(parent["group"]))
        if parent.get("namespace"):
            space = parent["namespace"]
            errors.invalid_each(f"{path}.namespace", space, names.path_segment(space))
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        before, after = ((each.get("spec") or {}).get("parentRef") for each in (old, obj))
        errors.immutable("spec.parentRef", after, before)
        return errors.causes


def _validate_name(errors: Errors, name: str) -> None:
    if names.ip(name):
        errors.invalid("metadata.name", name, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    elif str(ip_address(name)) != name:
        canonical = ip_address(name)
        errors.invalid("metadata.name", name, f'must be in canonical form ("{canonical}")')


def _parent(obj: Obj, now: float) -> str:
    parent = field(obj, "spec", "parentRef")
    if not parent:
        return NONE
    group = f".{parent['group']}" if parent.get("group") else ""
    return "/".join(
        (f"{parent.get('resource', '')}{group}".lower(), parent.get("namespace", ""), parent.get("name", ""))
    )


IPADDRESS = builtin(
    GVR("networking.k8s.io", "v1", "ipaddresses", namespaced=False, kind="IPAddress"),
    "api.networking.v1.ipaddress_types:IPAddress",
    strategy=IPAddressStrategy(),
    columns=(NAME, Column("ParentRef", _parent, description="The object that has it."), AGE),
    short_names=("ip",),
)
