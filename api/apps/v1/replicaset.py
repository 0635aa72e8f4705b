"""ReplicaSet: a number of equal pods, kept at that number."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Required, TypedDict

from api.annotations import In, Int32, Int64, ListMap, Patch, Proto, Time
from api.builtin import STATUS_VERBS, builtin, status_of
from api.columns import AGE, NAME, workload_columns
from api.core.v1.pod_defaults import default_pod_spec
from api.meta.v1 import LabelSelector, ObjectMeta
from api.resource import Column, Subresource
from api.strategy import SpecStatusStrategy
from api.validation.errors import Errors
from api.validation.workload import name_warnings, template_warnings, validate_replicated
from machinery.errors import Cause
from machinery.gvk import REPLICASETS

if TYPE_CHECKING:
    from api.core.v1.podspec import PodTemplateSpec


class ReplicaSetSpec(TypedDict, total=False):
    """What a user wants of a replica set."""

    replicas: Annotated[Int32, Proto(1), "How many pods are wanted; 1 where unset."]
    selector: Required[Annotated[LabelSelector, Proto(2), "Which pods are its own."]]
    template: Annotated["PodTemplateSpec", Proto(3), In("api.core.v1.podspec"), "The pod to make copies of."]
    minReadySeconds: Annotated[Int32, Proto(4), "How long a pod must have been ready to count as available."]


class ReplicaSetCondition(TypedDict, total=False):
    """One aspect of a replica set's state."""

    type: Required[Annotated[str, Proto(1), "Which aspect it is."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    lastTransitionTime: Annotated[Time, Proto(3), "When the status last changed."]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    message: Annotated[str, Proto(5), "Why, in words for people."]


class ReplicaSetStatus(TypedDict, total=False):
    """How many pods a replica set has."""

    replicas: Required[Annotated[Int32, Proto(1), "Pods that exist."]]
    fullyLabeledReplicas: Annotated[Int32, Proto(2), "Pods with all of the template's labels."]
    observedGeneration: Annotated[Int64, Proto(3), "The generation that this was seen of."]
    readyReplicas: Annotated[Int32, Proto(4), "Pods that are ready."]
    availableReplicas: Annotated[Int32, Proto(5), "Pods that have been ready for minReadySeconds."]
    conditions: Annotated[
        list[ReplicaSetCondition],
        Proto(6),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]
    terminatingReplicas: Annotated[Int32, Proto(7), "Pods that are on their way out."]


class ReplicaSet(TypedDict, total=False):
    """A number of equal pods, kept at that number."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[ReplicaSetSpec, Proto(2), "What is wanted."]
    status: Annotated[ReplicaSetStatus, Proto(3), "What is; written by the system."]


Obj = dict[str, Any]

_COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")


class ReplicaSetStrategy(SpecStatusStrategy):
    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        default_pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        _validate_spec(errors, obj["spec"], None)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        _validate_spec(errors, obj["spec"], old["spec"])
        errors.immutable("spec.selector", obj["spec"].get("selector"), old["spec"].get("selector"))
        return errors.causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        status = obj.get("status") or {}
        for field in (*_COUNTS, "observedGeneration"):
            errors.non_negative(f"status.{field}", status.get(field))
        for field in _COUNTS[1:]:
            if status.get(field, 0) > status.get("replicas", 0):
                errors.invalid(
                    f"status.{field}", status.get(field, 0), "cannot be greater than status.replicas"
                )
        if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
            message = "cannot be greater than readyReplicas"
            errors.invalid("status.availableReplicas", status.get("availableReplicas", 0), message)
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        before = None if old is None else old["spec"].get("template")
        advice = template_warnings(obj["spec"].get("template"), before, "spec.template")
        return (*name_warnings(obj, old), *advice)


def _validate_spec(errors: Errors, spec: Obj, old: Obj | None) -> None:
    errors.non_negative("spec.replicas", spec.get("replicas"))
    errors.non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    validate_replicated(errors, spec, "spec", old)


def _status_number(field: str) -> Any:
    return lambda obj, now: (obj.get("status") or {}).get(field, 0)


REPLICASET = builtin(
    REPLICASETS,
    ReplicaSet,
    strategy=ReplicaSetStrategy(),
    columns=(
        NAME,
        Column(
            "Desired",
            lambda obj, now: obj["spec"].get("replicas", 0),
            type="integer",
            description="Pods that are wanted.",
        ),
        Column("Current", _status_number("replicas"), type="integer", description="Pods that exist."),
        Column("Ready", _status_number("readyReplicas"), type="integer", description="Pods that are ready."),
        AGE,
        *workload_columns(),
    ),
    short_names=("rs",),
    categories=("all",),
    subresources=(
        Subresource(
            "scale", "Scale", STATUS_VERBS, "autoscaling", "v1", label_selector_path=".spec.selector"
        ),
        status_of("ReplicaSet"),
    ),
    selectable_fields={"status.replicas": ".status.replicas|=0"},
)
