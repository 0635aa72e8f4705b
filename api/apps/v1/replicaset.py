"""TODO module"""

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
from api.validation.pod_warnings import pod_warnings
from api.validation.workload import validate_selector_and_template
from machinery.errors import Cause
from machinery.gvk import REPLICASETS

if TYPE_CHECKING:
    from api.core.v1.podspec import PodTemplateSpec


class ReplicaSetSpec(TypedDict, total=False):
    """TODO ReplicaSetSpec"""

    replicas: Annotated[Int32, Proto(1)]
    selector: Required[Annotated[LabelSelector, Proto(2)]]
    template: Annotated["PodTemplateSpec", Proto(3), In("api.core.v1.podspec")]
    minReadySeconds: Annotated[Int32, Proto(4)]


class ReplicaSetCondition(TypedDict, total=False):
    """TODO ReplicaSetCondition"""

    type: Required[Annotated[str, Proto(1)]]
    status: Required[Annotated[str, Proto(2)]]
    lastTransitionTime: Annotated[Time, Proto(3)]
    reason: Annotated[str, Proto(4)]
    message: Annotated[str, Proto(5)]


class ReplicaSetStatus(TypedDict, total=False):
    """TODO ReplicaSetStatus"""

    replicas: Required[Annotated[Int32, Proto(1)]]
    fullyLabeledReplicas: Annotated[Int32, Proto(2)]
    observedGeneration: Annotated[Int64, Proto(3)]
    readyReplicas: Annotated[Int32, Proto(4)]
    availableReplicas: Annotated[Int32, Proto(5)]
    conditions: Annotated[list[ReplicaSetCondition], Proto(6), ListMap("type"), Patch("merge", "type")]
    terminatingReplicas: Annotated[Int32, Proto(7)]


class ReplicaSet(TypedDict, total=False):
    """TODO ReplicaSet"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Annotated[ReplicaSetSpec, Proto(2)]
    status: Annotated[ReplicaSetStatus, Proto(3)]


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
        spec = obj["spec"]
        errors.non_negative("spec.replicas", spec.get("replicas"))
        errors.non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
        validate_selector_and_template(errors, spec, "spec")
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += self.validate(obj)
        errors.immutable("spec.selector", obj["spec"].get("selector"), old["spec"].get("selector"))
        return errors.causes

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        status = obj.get("status") or {}
        for field in (*_COUNTS, "observedGeneration"):
            errors.non_negative(f"status.{field}", status.get(field))
        for field in _COUNTS[1:]:
            if status.get(field, 0) > status.get("replicas", 0):
                errors.invalid(f"status.{field}", status[field], "cannot be greater than status.replicas")
        if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
            message = "cannot be greater than readyReplicas"
            errors.invalid("status.availableReplicas", status["availableReplicas"], message)
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        template = obj["spec"].get("template") or {}
        return pod_warnings(template.get("spec") or {}, template.get("metadata") or {}, "spec.template.spec")


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
    selectable_fields={"status.replicas": ".status.replicas"},
)
