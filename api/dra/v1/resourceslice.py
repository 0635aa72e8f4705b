"""ResourceSlice: some of the devices of a driver."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME, text
from api.resource import Column, Strategy
from api.validation.device_slice import validate_slice
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class ResourceSliceStrategy(Strategy):
    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_slice(obj.get("spec") or {})

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_slice(obj["spec"], old["spec"])


RESOURCESLICE = builtin(
    GVR("resource.k8s.io", "v1", "resourceslices", namespaced=False, kind="ResourceSlice"),
    "api.dra.v1.resourceslice_types:ResourceSlice",
    strategy=ResourceSliceStrategy(),
    columns=(
        NAME,
        Column("Node", text("spec", "nodeName", absent="<unset>"), description="The node they are on."),
        Column("Driver", text("spec", "driver", absent=""), description="The driver."),
        Column("Pool", text("spec", "pool", "name", absent=""), description="The pool."),
        AGE,
    ),
    selectable_fields={"spec.driver": ".spec.driver", "spec.nodeName": ".spec.nodeName"},
    returns_deleted=True,
)
