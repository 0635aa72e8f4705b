"""StorageClass: how volumes of a class are made."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE
from api.resource import Column, Strategy
from api.validation.errors import Errors
from api.validation.node_warnings import OLD_NODE_LABELS
from api.validation.parameters import validate_parameters, validate_provisioner, validate_topologies
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_RECLAIM = ("Delete", "Retain")
_BINDING = ("Immediate", "WaitForFirstConsumer")


class StorageClassStrategy(Strategy):
    has_generation = False

    def default(self, obj: Obj) -> None:
        obj.setdefault("reclaimPolicy", "Delete")
        obj.setdefault("volumeBindingMode", "Immediate")

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        validate_provisioner(errors, obj.get("provisioner", ""), "provisioner")
        validate_parameters(errors, obj.get("parameters"), "parameters")
        errors.one_of("reclaimPolicy", obj.get("reclaimPolicy"), _RECLAIM)
        mode = obj.get("volumeBindingMode")
        if mode is None:
            errors.required("volumeBindingMode")
        elif mode not in _BINDING:
            errors.not_supported("volumeBindingMode", mode, _BINDING)
        validate_topologies(errors, obj.get("allowedTopologies"), "allowedTopologies")
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += self.validate(obj)
        for field in ("parameters", "provisioner", "reclaimPolicy"):
            if (obj.get(field) or {}) != (old.get(field) or {}):
                errors.forbidden(field, f"updates to {field} are forbidden.")
        errors.immutable("volumeBindingMode", obj.get("volumeBindingMode"), old.get("volumeBindingMode"))
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        found = [*super().warnings(obj, old)]
        for index, term in enumerate(obj.get("allowedTopologies") or ()):
            for position, each in enumerate(term.get("matchLabelExpressions") or ()):
                if (key := each.get("key", "")) in OLD_NODE_LABELS:
                    at = f"allowedTopologies[{index}].matchLabelExpressions[{position}].key"
                    found.append(f"{at}: {OLD_NODE_LABELS[key]}")
        return found


def _name(obj: Obj, now: float) -> str:
    notes = obj["metadata"].get("annotations") or {}
    default = any(notes.get(key) == "true" for key in _DEFAULT)
    return f"{obj['metadata']['name']} (default)" if default else str(obj["metadata"]["name"])


STORAGECLASS = builtin(
    GVR("storage.k8s.io", "v1", "storageclasses", namespaced=False, kind="StorageClass"),
    "api.storage.v1.storageclass_types:StorageClass",
    strategy=StorageClassStrategy(),
    columns=(
        Column("Name", _name, format="name", description="Its name, and whether it is the default."),
        Column("Provisioner", ".provisioner", description="Who makes its volumes."),
        Column("ReclaimPolicy", ".reclaimPolicy", description="What becomes of released volumes."),
        Column("VolumeBindingMode", ".volumeBindingMode", description="When volumes are made."),
        Column(
            "AllowVolumeExpansion",
            lambda obj, now: bool(obj.get("allowVolumeExpansion")),
            description="Whether volumes may grow.",
        ),
        AGE,
    ),
    short_names=("sc",),
    returns_deleted=True,
)
