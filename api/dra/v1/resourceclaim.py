"""ResourceClaim: asks for devices. ResourceClaimTemplate: a claim that is made for each pod."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, field
from api.resource import Column, Strategy
from api.strategy import ALL_METADATA, SpecStatusStrategy
from api.validation.device_claim import default_claim, validate_claim_devices, validate_claim_status
from api.validation.errors import Errors
from api.validation.meta import validate_parts
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class ResourceClaimStrategy(SpecStatusStrategy):
    status_keeps = ALL_METADATA
    has_generation = False

    def default(self, obj: Obj) -> None:
        default_claim(obj.setdefault("spec", {}))

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        validate_claim_devices(errors, obj["spec"], "spec")
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.immutable("spec", obj["spec"], old["spec"])
        return errors.causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_claim_status(obj, old)


class ResourceClaimTemplateStrategy(Strategy):
    has_generation = False

    def default(self, obj: Obj) -> None:
        default_claim(obj.setdefault("spec", {}).setdefault("spec", {}))

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        validate_parts(errors, obj["spec"].get("metadata") or {}, "spec.metadata")
        validate_claim_devices(errors, obj["spec"]["spec"], "spec.spec")
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.immutable("spec", obj["spec"], old["spec"])
        return errors.causes


def _state(obj: Obj, now: float) -> str:
    states = []
    if obj["metadata"].get("deletionTimestamp"):
        states.append("deleted")
    if field(obj, "status", "allocation") is None and "allocation" not in (obj.get("status") or {}):
        states.append("pending")
    else:
        states.append("allocated")
        if field(obj, "status", "reservedFor"):
            states.append("reserved")
    return ",".join(states)


RESOURCECLAIM = builtin(
    GVR("resource.k8s.io", "v1", "resourceclaims", kind="ResourceClaim"),
    "api.dra.v1.resourceclaim_types:ResourceClaim",
    strategy=ResourceClaimStrategy(),
    columns=(NAME, Column("State", _state, description="Pending, allocated, reserved."), AGE),
    subresources=(status_of("ResourceClaim"),),
    returns_deleted=True,
)

RESOURCECLAIMTEMPLATE = builtin(
    GVR("resource.k8s.io", "v1", "resourceclaimtemplates", kind="ResourceClaimTemplate"),
    "api.dra.v1.resourceclaim_types:ResourceClaimTemplate",
    strategy=ResourceClaimTemplateStrategy(),
    columns=(NAME, AGE),
    returns_deleted=True,
)
