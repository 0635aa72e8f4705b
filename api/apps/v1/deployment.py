"""Deployment: replicas of a pod, kept up and replaced gradually when their template changes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Required, TypedDict

from api.annotations import Enum, In, Int32, Int64, IntOrString, ListMap, Patch, Proto, Time
from api.builtin import STATUS_VERBS, builtin, status_of
from api.columns import AGE, NAME, workload_columns
from api.core.v1.pod_defaults import default_pod_spec
from api.meta.v1 import LabelSelector, ObjectMeta
from api.resource import Column, Subresource
from api.strategy import SpecStatusStrategy
from api.validation.errors import Errors
from api.validation.workload import (
    name_warnings,
    template_warnings,
    validate_at_most_all,
    validate_collisions,
    validate_int_or_percent,
    validate_replicated,
)
from machinery.errors import Cause
from machinery.gvk import DEPLOYMENTS

if TYPE_CHECKING:
    from api.core.v1.podspec import PodTemplateSpec


class RollingUpdateDeployment(TypedDict, total=False):
    """How many pods may be missing and how many too many during an update."""

    maxUnavailable: Annotated[
        IntOrString, Proto(1), "How many pods may be missing, as a number or a percentage; 25% where unset."
    ]
    maxSurge: Annotated[
        IntOrString, Proto(2), "How many pods may be too many, as a number or a percentage; 25% where unset."
    ]


class DeploymentStrategy(TypedDict, total=False):
    """How pods of an old template are replaced."""

    type: Annotated[
        str,
        Proto(1),
        Enum("Recreate", "RollingUpdate"),
        "RollingUpdate, or Recreate to remove all old pods first.",
    ]
    rollingUpdate: Annotated[RollingUpdateDeployment, Proto(2), "Settings of a rolling update."]


class DeploymentSpec(TypedDict, total=False):
    """What a user wants of a deployment."""

    replicas: Annotated[Int32, Proto(1), "How many pods are wanted; 1 where unset."]
    selector: Required[
        Annotated[
            LabelSelector,
            Proto(2),
            "Which pods are its own; must match the template's labels, cannot be changed.",
        ]
    ]
    template: Required[
        Annotated["PodTemplateSpec", Proto(3), In("api.core.v1.podspec"), "The pod to make copies of."]
    ]
    strategy: Annotated[
        DeploymentStrategy, Proto(4), Patch("retainKeys"), "How pods of an old template are replaced."
    ]
    minReadySeconds: Annotated[Int32, Proto(5), "How long a pod must have been ready to count as available."]
    revisionHistoryLimit: Annotated[
        Int32, Proto(6), "How many old replica sets to keep for going back to; 10 where unset."
    ]
    paused: Annotated[bool, Proto(7), "Do not roll changes of the template out."]
    progressDeadlineSeconds: Annotated[
        Int32, Proto(9), "After how long without progress it is said to have failed; 600 where unset."
    ]


class DeploymentCondition(TypedDict, total=False):
    """One aspect of a deployment's progress."""

    type: Required[Annotated[str, Proto(1), "Available, Progressing or ReplicaFailure."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    message: Annotated[str, Proto(5), "Why, in words for people."]
    lastUpdateTime: Annotated[Time, Proto(6), "When the condition was last written."]
    lastTransitionTime: Annotated[Time, Proto(7), "When the status last changed."]


class DeploymentStatus(TypedDict, total=False):
    """How far a deployment is."""

    observedGeneration: Annotated[Int64, Proto(1), "The generation that this was seen of."]
    replicas: Annotated[Int32, Proto(2), "Pods that exist."]
    updatedReplicas: Annotated[Int32, Proto(3), "Pods made from the present template."]
    availableReplicas: Annotated[Int32, Proto(4), "Pods that have been ready for minReadySeconds."]
    unavailableReplicas: Annotated[Int32, Proto(5), "Pods that are still missing."]
    conditions: Annotated[
        list[DeploymentCondition],
        Proto(6),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]
    readyReplicas: Annotated[Int32, Proto(7), "Pods that are ready."]
    collisionCount: Annotated[Int32, Proto(8), "How often the name of a new replica set was taken."]
    terminatingReplicas: Annotated[Int32, Proto(9), "Pods that are on their way out."]


class Deployment(TypedDict, total=False):
    """Replicas of a pod, replaced gradually when their template changes."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[DeploymentSpec, Proto(2), "What is wanted."]
    status: Annotated[DeploymentStatus, Proto(3), "What is; written by the system."]


Obj = dict[str, Any]

_STRATEGIES = ("Recreate", "RollingUpdate")
_COUNTS = (
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "collisionCount",
)


class DeploymentKind(SpecStatusStrategy):
    generation_of = ("annotations",)  # replica sets have them, too
    status_keeps = ("labels",)

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)
        strategy = spec.setdefault("strategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", "25%")
            rolling.setdefault("maxSurge", "25%")
        default_pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))

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
        status, before = obj.get("status") or {}, old.get("status") or {}
        for field in _COUNTS:
            errors.non_negative(f"status.{field}", status.get(field))
        total = status.get("replicas", 0)
        for field in ("updatedReplicas", "readyReplicas", "availableReplicas"):
            if status.get(field, 0) > total:
                errors.invalid(
                    f"status.{field}", status.get(field, 0), "cannot be greater than status.replicas"
                )
        if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
            message = "cannot be greater than readyReplicas"
            errors.invalid("status.availableReplicas", status.get("availableReplicas", 0), message)
        validate_collisions(errors, status, before)
        return errors.causes

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        before = None if old is None else old["spec"].get("template")
        advice = template_warnings(obj["spec"].get("template"), before, "spec.template")
        return (*name_warnings(obj, old), *advice)


def _validate_spec(errors: Errors, spec: Obj, old: Obj | None) -> None:
    errors.non_negative("spec.replicas", spec.get("replicas", 0))
    validate_replicated(errors, spec, "spec", old)
    _validate_strategy(errors, spec.get("strategy") or {})
    min_ready = spec.get("minReadySeconds", 0)
    errors.non_negative("spec.minReadySeconds", min_ready)
    errors.non_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit", 0))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        errors.non_negative("spec.progressDeadlineSeconds", deadline)
        if deadline <= min_ready:
            errors.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _validate_strategy(errors: Errors, strategy: Obj) -> None:
    path = "spec.strategy"
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in _STRATEGIES:
        errors.not_supported(path, strategy, _STRATEGIES)
    elif kind == "Recreate":
        if rolling is not None:
            message = "may not be specified when strategy `type` is 'Recreate'"
            errors.forbidden(f"{path}.rollingUpdate", message)
    elif rolling is None:
        errors.required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")
    else:
        at = f"{path}.rollingUpdate"
        missing, more = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
        few = validate_int_or_percent(errors, f"{at}.maxUnavailable", missing)
        surge = validate_int_or_percent(errors, f"{at}.maxSurge", more)
        if few == 0 and surge == 0:
            errors.invalid(f"{at}.maxUnavailable", missing, "may not be 0 when `maxSurge` is 0")
        validate_at_most_all(errors, f"{at}.maxUnavailable", missing)


def _ready(obj: Obj, now: float) -> str:
    return f"{(obj.get('status') or {}).get('readyReplicas', 0)}/{obj['spec'].get('replicas', 0)}"


def _status_number(field: str) -> Any:
    return lambda obj, now: (obj.get("status") or {}).get(field, 0)


DEPLOYMENT = builtin(
    DEPLOYMENTS,
    Deployment,
    strategy=DeploymentKind(),
    columns=(
        NAME,
        Column("Ready", _ready, description="Pods that are ready, of all that are wanted."),
        Column(
            "Up-to-date",
            _status_number("updatedReplicas"),
            description="Pods made from the present template.",
        ),
        Column(
            "Available",
            _status_number("availableReplicas"),
            description="Pods that have been ready for minReadySeconds.",
        ),
        AGE,
        *workload_columns(),
    ),
    short_names=("deploy",),
    categories=("all",),
    subresources=(
        Subresource(
            "scale",
            "Scale",
            STATUS_VERBS,
            "autoscaling",
            "v1",
            label_selector_path=".spec.selector",
        ),
        status_of("Deployment"),
    ),
)
