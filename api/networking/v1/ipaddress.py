"""IPAddress: an address that is taken; its name is the address."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import NAME, NONE, field
from api.resource import Column, Strategy
from api.validation.addresses import validate_canonical_ip
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class IPAddressStrategy(Strategy):
    has_generation = False
    name_rule = "path"  # an address of version 6 is no DNS name

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        validate_canonical_ip(errors, obj["metadata"].get("name", ""), "metadata.name")
        parent = (obj.get("spec") or {}).get("parentRef")
        if parent is None:
            errors.required("spec.parentRef")
            return errors.causes
        path = "spec.parentRef"
        if parent.get("group"):
            errors.invalid_each(f"{path}.group", parent["group"], names.dns1123_subdomain(parent["group"]))
        for part in ("resource", "name"):
            if not parent.get(part):
                errors.required(f"{path}.{part}")
            else:
                errors.invalid_each(f"{path}.{part}", parent[part], names.path_segment(parent[part]))
        if parent.get("namespace"):
            space = parent["namespace"]
            errors.invalid_each(f"{path}.namespace", space, names.path_segment(space))
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        before, after = ((each.get("spec") or {}).get("parentRef") for each in (old, obj))
        errors.immutable("spec.parentRef", after, before)
        return errors.causes


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
    columns=(NAME, Column("ParentRef", _parent, description="The object that has it.")),
    short_names=("ip",),
)
