"""RuntimeClass: a name for a way to run pods."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME
from api.core.v1.amounts import round_up_in
from api.resource import Column, Strategy
from api.validation.errors import Errors
from api.validation.node_warnings import OLD_NODE_LABELS
from api.validation.resources import validate_resources
from api.validation.scheduling import validate_tolerations
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class RuntimeClassStrategy(Strategy):
    has_generation = False
    allow_unconditional_update = False

    def default(self, obj: Obj) -> None:
        round_up_in(obj.get("overhead"), "podFixed")

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        handler = obj.get("handler", "")
        errors.invalid_each("handler", handler, names.dns1123_label(handler))
        overhead = obj.get("overhead")
        if overhead is not None:
            validate_resources(errors, {"limits": overhead.get("podFixed")}, "overhead")
        scheduling = obj.get("scheduling") or {}
        errors.causes += names.labels(scheduling.get("nodeSelector") or {}, "scheduling.nodeSelector")
        tolerations = scheduling.get("tolerations") or []
        validate_tolerations(errors, tolerations, "scheduling.tolerations")
        seen = []
        for index, each in enumerate(tolerations):
            key = tuple(each.get(part, "") for part in ("key", "operator", "value", "effect"))
            if key in seen:
                errors.duplicate(f"scheduling.tolerations[{index}]", each)
            seen.append(key)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += self.validate(obj)
        errors.immutable("handler", obj.get("handler"), old.get("handler"))
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        labels = (obj.get("scheduling") or {}).get("nodeSelector") or {}
        advice = [f"scheduling.nodeSelector: {OLD_NODE_LABELS[k]}" for k in labels if k in OLD_NODE_LABELS]
        return (*super().warnings(obj, old), *advice)


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
