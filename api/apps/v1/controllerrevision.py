"""ControllerRevision: a past state of a workload, kept to go back to. Its data never changes."""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import Int64, Proto, RawExtension
from api.builtin import builtin
from api.columns import AGE, NAME, NONE, number
from api.meta.v1 import ObjectMeta
from api.resource import Column, Strategy
from api.validation.errors import Errors
from machinery.errors import Cause
from machinery.gvk import GVR


class ControllerRevision(TypedDict, total=False):
    """A past state of a workload."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    data: Annotated[RawExtension, Proto(2), "The past state."]
    revision: Required[Annotated[Int64, Proto(3), "Its number; higher is newer."]]


Obj = dict[str, Any]


class ControllerRevisionStrategy(Strategy):
    has_generation = False

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        if obj.get("data") is None:
            errors.required("data", "data is mandatory")
        errors.non_negative("revision", obj.get("revision", 0))
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += self.validate(obj)
        errors.immutable("data", obj.get("data"), old.get("data"))
        return errors.causes


def _controller(obj: Obj, now: float) -> str:
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            group = owner["apiVersion"].rpartition("/")[0]
            kind = owner["kind"].lower() + (f".{group}" if group else "")
            return f"{kind}/{owner['name']}"
    return NONE


CONTROLLERREVISION = builtin(
    GVR("apps", "v1", "controllerrevisions", kind="ControllerRevision"),
    ControllerRevision,
    strategy=ControllerRevisionStrategy(),
    columns=(
        NAME,
        Column("Controller", _controller, description="The object whose past state this is."),
        Column("Revision", number("revision"), description="Its number in that object's history."),
        AGE,
    ),
)
