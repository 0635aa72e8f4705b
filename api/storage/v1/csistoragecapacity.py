"""CSIStorageCapacity: how much room a driver has for a storage class, somewhere."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import NAME
from api.resource import Column, Strategy
from api.validation.errors import Errors
from api.validation.resources import validate_amount
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR
from machinery.selectors.labels import validate_label_selector

Obj = dict[str, Any]


class CSIStorageCapacityStrategy(Strategy):
    has_generation = False
    allow_unconditional_update = False

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        name = obj.get("storageClassName", "")
        errors.invalid_each("storageClassName", name, names.dns1123_subdomain(name))
        errors.causes += validate_label_selector(obj.get("nodeTopology"), "nodeTopology")
        for field in ("capacity", "maximumVolumeSize"):
            if obj.get(field) is not None:
                validate_amount(errors, obj[field], field)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += self.validate(obj)
        for field in ("nodeTopology", "storageClassName"):
            errors.immutable(field, obj.get(field), old.get(field))
        return errors.causes


CSISTORAGECAPACITY = builtin(
    GVR("storage.k8s.io", "v1", "csistoragecapacities", kind="CSIStorageCapacity"),
    "api.storage.v1.csistoragecapacity_types:CSIStorageCapacity",
    strategy=CSIStorageCapacityStrategy(),
    columns=(
        NAME,
        Column("StorageClassName", ".storageClassName", description="The storage class."),
        Column(
            "Capacity",
            lambda obj, now: obj.get("capacity") or "<unset>",
            description="How much room there is.",
        ),
    ),
)
