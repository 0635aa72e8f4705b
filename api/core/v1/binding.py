"""Binding: a scheduler's word that a pod shall run on a node."""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import Proto
from api.builtin import body, builtin
from api.columns import AGE, NAME
from api.core.v1.reference import ObjectReference
from api.meta.v1 import ObjectMeta
from api.resource import Strategy
from api.validation.errors import Errors
from machinery.errors import Cause
from machinery.gvk import GVR


class Binding(TypedDict, total=False):
    """Says that a pod shall run on a node."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    target: Required[Annotated[ObjectReference, Proto(2), "The node."]]


Obj = dict[str, Any]


def _validate(obj: Obj) -> Sequence[Cause]:
    errors = Errors()
    target = obj.get("target") or {}
    if target.get("kind") not in (None, "", "Node"):
        errors.not_supported("target.kind", target["kind"], ("Node", "<empty>"))
    if not target.get("name"):
        errors.required("target.name")
    return errors.causes


class BindingStrategy(Strategy):
    has_generation = False

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return _validate(obj)


# The legacy collection, POST /api/v1/namespaces/NS/bindings; schedulers POST the body to pods/NAME/binding.
BINDING = builtin(
    GVR("", "v1", "bindings", kind="Binding"),
    Binding,
    strategy=BindingStrategy(),
    columns=(NAME, AGE),
    verbs=("create",),
)
BINDING_BODY = body("", "v1", Binding, validate=_validate)
