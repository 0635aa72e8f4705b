"""Namespace: a scope for names, and for everything that is granted or limited by scope."""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import ATOMIC, Enum, ListMap, Patch, Proto, Time
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
    """What keeps a namespace from going."""

    finalizers: Annotated[list[str], Proto(1), ATOMIC, "Who must agree before it goes."]


class NamespaceCondition(TypedDict, total=False):
    """One aspect of a namespace's removal."""

    type: Required[Annotated[str, Proto(1), "Which aspect it is."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    lastTransitionTime: Annotated[Time, Proto(4), "When the status last changed."]
    reason: Annotated[str, Proto(5), "Why, in a word for machines."]
    message: Annotated[str, Proto(6), "Why, in words for people."]


class NamespaceStatus(TypedDict, total=False):
    """Whether a namespace is in use or on its way out."""

    phase: Annotated[str, Proto(1), Enum("Active", "Terminating"), "Active or Terminating."]
    conditions: Annotated[
        list[NamespaceCondition],
        Proto(2),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]


class Namespace(TypedDict, total=False):
    """A scope for names."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[NamespaceSpec, Proto(2), "What is wanted."]
    status: Annotated[NamespaceStatus, Proto(3), "What is; written by the system."]


Obj = dict[str, Any]

_FINALIZER = "kubernetes"
_NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceStrategy(SpecStatusStrategy):
    """A namespace is emptied before it goes: the `kubernetes` finalizer in its spec says so from birth on."""

    name_rule = "label"
    has_generation = False
    precondition_of_store = True

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
        return _validate_finalizers(obj, indexed=False).causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        phase = (obj.get("status") or {}).get("phase") or "Active"
        if obj["metadata"].get("deletionTimestamp"):
            if phase != "Terminating":
                message = "may only be 'Terminating' if `deletionTimestamp` is not empty"
                errors.invalid("status.Phase", phase, message)
        elif phase != "Active":
            errors.invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")
        return errors.causes


class FinalizeStrategy(Strategy):
    """namespaces/finalize: the only place where spec.finalizers changes."""

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        restore(obj, old, "status")

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return _validate_finalizers(obj, indexed=True).causes


def _validate_finalizers(obj: Obj, *, indexed: bool) -> Errors:
    errors = Errors()
    for index, each in enumerate((obj.get("spec") or {}).get("finalizers") or ()):
        path = f"spec.finalizers[{index}]" if indexed else "spec.finalizers"
        bad = names.qualified_name(each)
        errors.invalid_each(path, each, bad)
        if "/" not in each and each not in (_FINALIZER, "orphan", "foregroundDeletion"):
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
