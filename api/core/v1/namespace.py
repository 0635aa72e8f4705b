"""TODO module"""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import ATOMIC, ListMap, Patch, Proto, Time
from api.builtin import builtin, status_of
from api.columns import AGE, NAME
from api.meta.v1 import ObjectMeta
from api.resource import ALL_VERBS, Column, Strategy, Subresource
from api.strategy import SpecStatusStrategy, restore
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.gvk import NAMESPACES


class NamespaceSpec(TypedDict, total=False):
    """TODO NamespaceSpec"""

    finalizers: Annotated[list[str], Proto(1), ATOMIC]


class NamespaceCondition(TypedDict, total=False):
    """TODO NamespaceCondition"""

    type: Required[Annotated[str, Proto(1)]]
    status: Required[Annotated[str, Proto(2)]]
    lastTransitionTime: Annotated[Time, Proto(4)]
    reason: Annotated[str, Proto(5)]
    message: Annotated[str, Proto(6)]


class NamespaceStatus(TypedDict, total=False):
    """TODO NamespaceStatus"""

    phase: Annotated[str, Proto(1)]
    conditions: Annotated[list[NamespaceCondition], Proto(2), ListMap("type"), Patch("merge", "type")]


class Namespace(TypedDict, total=False):
    """TODO Namespace"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Annotated[NamespaceSpec, Proto(2)]
    status: Annotated[NamespaceStatus, Proto(3)]


Obj = dict[str, Any]

_FINALIZER = "kubernetes"
_NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceStrategy(SpecStatusStrategy):
    """A namespace is emptied before it goes: the `kubernetes` finalizer in its spec says so from birth on."""

    name_rule = "label"
    has_generation = False

    def default(self, obj: Obj) -> None:
        name = obj["metadata"].get("name")
        if name:
            obj["metadata"].setdefault("labels", {})[_NAME_LABEL] = name

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"phase": "Active"}
        finalizers = obj.setdefault("spec", {}).setdefault("finalizers", [])
        if _FINALIZER not in finalizers:
            finalizers.append(_FINALIZER)

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        restore(obj, old, "spec")
        restore(obj, old, "status")

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return _validate_finalizers(obj).causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        phase = (obj.get("status") or {}).get("phase")
        if obj["metadata"].get("deletionTimestamp"):
            if phase != "Terminating":
                message = "may only be 'Terminating' if `deletionTimestamp` is not empty"
                errors.invalid("status.phase", phase, message)
        elif phase not in ("Active", None, ""):
            errors.invalid("status.phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")
        return errors.causes


class FinalizeStrategy(Strategy):
    """namespaces/finalize: the only place where spec.finalizers changes."""

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        restore(obj, old, "status")

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return _validate_finalizers(obj).causes


def _validate_finalizers(obj: Obj) -> Errors:
    errors = Errors()
    for index, each in enumerate((obj.get("spec") or {}).get("finalizers") or ()):
        path = f"spec.finalizers[{index}]"
        bad = names.qualified_name(each)
        errors.invalid_each(path, each, bad)
        if not bad and "/" not in each and each != _FINALIZER:
            errors.invalid(path, each, "name is neither a standard finalizer name nor is it fully qualified")
    return errors


NAMESPACE = builtin(
    NAMESPACES,
    Namespace,
    strategy=NamespaceStrategy(),
    columns=(NAME, Column("Status", ".status.phase", description="Active, or Terminating."), AGE),
    short_names=("ns",),
    verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
    subresources=(
        Subresource("finalize", "Namespace", ("update",), strategy=FinalizeStrategy()),
        status_of("Namespace"),
    ),
    selectable_fields={"status.phase": ".status.phase"},
)
