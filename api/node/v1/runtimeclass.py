"""RuntimeClass: a name for a way to run pods."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME
from api.resource import Column, Strategy
from api.validation.errors import Errors
from api.validation.resources import validate_amount
from api.validation.scheduling import validate_node_selector, validate_tolerations
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class RuntimeClassStrategy(Strategy):
    has_generation = False
    allow_unconditional_update = False

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        handler = obj.get("handler", "")
        errors.invalid_each("handler", handler, names.dns1123_label(handler))
        for name, amount in ((obj.get("overhead") or {}).get("podFixed") or {}).items():
            at = f"overhead.podFixed[{name}]"
            errors.invalid_each(at, name, names.qualified_name(name))
            validate_amount(errors, amount, at)
        scheduling = obj.get("scheduling") or {}
        validate_node_selector(errors, scheduling.get("nodeSelector"), "scheduling.nodeSelector")
        tolerations = scheduling.get("tolerations") or []
        validate_tolerations(errors, tolerations, "scheduling.tolerations")
        for index, each in enumerate(tolerations):
            if each in tolerations[:index]:
                errors.duplicate(f"scheduling.tolerations[{index}]", each)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.immutable("handler", obj.get("handler"), old.get("handler"))
        errors.causes += self.validate(obj)
        return errors.causes


RUNTIMECLASS = builtin(
    GVR("node.k8s.io", "v1", "runtimeclasses", namespaced=False, kind="RuntimeClass"),
    "api.node.v1.runtimeclass_types:RuntimeClass",
    strategy=RuntimeClassStrategy(),
    columns=(
        NAME,
        Column("Handler", ".handler", description="The runtime's configuration that nodes use for it."),
        AGE,
    ),
)
