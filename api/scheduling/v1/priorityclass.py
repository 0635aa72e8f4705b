"""PriorityClass: a name for a priority of pods."""

from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from api.annotations import Enum, Int32, Proto
from api.builtin import builtin
from api.columns import AGE, NAME
from api.meta.v1 import ObjectMeta
from api.resource import Column, Strategy
from api.validation.errors import Errors
from machinery.errors import Cause
from machinery.gvk import GVR


class PriorityClass(TypedDict, total=False):
    """A name for a priority of pods."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    value: Annotated[Int32, Proto(2), "The priority; higher goes first. Cannot be changed."]
    globalDefault: Annotated[bool, Proto(3), "Whether pods that name no class get this one."]
    description: Annotated[str, Proto(4), "What it is for."]
    preemptionPolicy: Annotated[
        str, Proto(5), Enum("Never", "PreemptLowerPriority"), "PreemptLowerPriority or Never."
    ]


Obj = dict[str, Any]

PRIORITYCLASSES = GVR("scheduling.k8s.io", "v1", "priorityclasses", namespaced=False, kind="PriorityClass")

# Above this lie the system's own classes.
_HIGHEST_OF_USERS = 1_000_000_000
_RESERVED = "priority class names with 'system-' prefix are reserved for system use only"
_POLICIES = ("PreemptLowerPriority", "Never")
_SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


class PriorityClassStrategy(Strategy):
    has_generation = False  # it has one, which never grows
    undeletable = dict.fromkeys(_SYSTEM, "this is a system priority class and cannot be deleted")

    def default(self, obj: Obj) -> None:
        obj.setdefault("preemptionPolicy", "PreemptLowerPriority")
        obj.setdefault("value", 0)

    def prepare_create(self, obj: Obj) -> None:
        obj["metadata"]["generation"] = 1

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        name, value = obj["metadata"].get("name", ""), obj.get("value", 0)
        if name.startswith("system-"):
            wrong = _system_error(name, obj)
            if wrong:
                errors.forbidden("metadata.name", f"{_RESERVED}. error: {wrong}")
        elif value > _HIGHEST_OF_USERS:
            message = f"maximum allowed value of a user defined priority is {_HIGHEST_OF_USERS}"
            errors.forbidden("value", message)
        policy = obj.get("preemptionPolicy")
        if policy == "":
            errors.required("preemptionPolicy")
        elif policy not in _POLICIES:
            errors.not_supported("preemptionPolicy", policy, _POLICIES)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        if obj.get("value", 0) != old.get("value", 0):
            errors.forbidden("value", "may not be changed in an update.")
        errors.immutable("preemptionPolicy", obj.get("preemptionPolicy"), old.get("preemptionPolicy"))
        return errors.causes


def _system_error(name: str, obj: Obj) -> str:
    """The system's own classes are as they are; why this is none of them."""
    if name not in _SYSTEM:
        return f"{name} is not a known system priority class"
    if obj.get("value", 0) != _SYSTEM[name]:
        return f"value of {name} PriorityClass must be {_SYSTEM[name]}"
    return f"globalDefault of {name} PriorityClass must be false" if obj.get("globalDefault") else ""


PRIORITYCLASS = builtin(
    PRIORITYCLASSES,
    PriorityClass,
    strategy=PriorityClassStrategy(),
    columns=(
        NAME,
        Column("Value", ".value", type="integer", description="The priority that pods of the class get."),
        Column(
            "Global-Default",
            lambda obj, now: bool(obj.get("globalDefault")),
            type="boolean",
            description="Whether pods that name no class get this one.",
        ),
        AGE,
        Column(
            "PreemptionPolicy", ".preemptionPolicy", description="Whether such pods may evict lower ones."
        ),
    ),
    short_names=("pc",),
)
