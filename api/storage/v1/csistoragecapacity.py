"""CSIStorageCapacity: how much room a driver has for a storage class, somewhere."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import NAME
from api.resource import Column, Strategy
from api.validation.errors import Errors
from api.validation.node_warnings import OLD_NODE_LABELS, node_term_warnings
from api.validation.resources import validate_amount
from api.validation.selectors import has_odd_values, validate_selector
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class CSIStorageCapacityStrategy(Strategy):
    has_generation = False
    allow_unconditional_update = False

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return _validate(obj, None)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += _validate(obj, old)
        for field in ("nodeTopology", "storageClassName"):
            errors.immutable(field, obj.get(field), old.get(field))
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        topology = obj.get("nodeTopology") or {}
        labels = [
            f"nodeTopology.matchLabels.{key}: {OLD_NODE_LABELS[key]}"
            for key in topology.get("matchLabels") or ()
            if key in OLD_NODE_LABELS
        ]
        return (*super().warnings(obj, old), *node_term_warnings(topology, "nodeTopology"), *labels)


def _validate(obj: Obj, old: Obj | None) -> Sequence[Cause]:
    errors = Errors()
    odd = old is not None and has_odd_values(old.get("nodeTopology"))
    validate_selector(errors, obj.get("nodeTopology"), "nodeTopology", odd_values=odd)
    name = obj.get("storageClassName", "")
    errors.invalid_each("storageClassName", name, names.dns1123_subdomain(name))
    if obj.get("capacity") is not None:
        validate_amount(errors, obj["capacity"], "capacity")
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
