"""VolumeAttributesClass: attributes of volumes that may change while they are in use."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME
from api.resource import Column, Strategy
from api.validation.errors import Errors
from api.validation.parameters import validate_parameters, validate_provisioner
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class VolumeAttributesClassStrategy(Strategy):
    has_generation = False

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        validate_provisioner(errors, obj.get("driverName", ""), "driverName")
        validate_parameters(errors, obj.get("parameters"), "parameters", needed=True)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        for field in ("driverName", "parameters"):
            if obj.get(field) != old.get(field):
                errors.forbidden(field, f"updates to {field} are forbidden.")
        errors.causes += self.validate(obj)
        return errors.causes


VOLUMEATTRIBUTESCLASS = builtin(
    GVR("storage.k8s.io", "v1", "volumeattributesclasses", namespaced=False, kind="VolumeAttributesClass"),
    "api.storage.v1.volumeattributesclass_types:VolumeAttributesClass",
    strategy=VolumeAttributesClassStrategy(),
    columns=(NAME, Column("DriverName", ".driverName", description="The CSI driver."), AGE),
    short_names=("vac",),
    returns_deleted=True,
)
