"""The wire form of autoscaling/v2 HorizontalPodAutoscaler."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Enum, Int32, Int64, ListMap, Patch, Proto, Quantity, Time
from api.autoscaling.v2.metric_types import CrossVersionObjectReference, MetricSpec, MetricStatus
from api.meta.v1 import ObjectMeta


class HPAScalingPolicy(TypedDict, total=False):
    """How much may change within a period."""

    type: Required[Annotated[str, Proto(1), Enum("Percent", "Pods"), "Pods or Percent."]]
    value: Required[Annotated[Int32, Proto(2), "How many pods, or how many percent of them."]]
    periodSeconds: Required[Annotated[Int32, Proto(3), "The period; at most 1800."]]


class HPAScalingRules(TypedDict, total=False):
    """How fast to scale in one direction."""

    selectPolicy: Annotated[
        str,
        Proto(1),
        Enum("Disabled", "Max", "Min"),
        "Which policy counts: Max, Min, or Disabled not to scale at all.",
    ]
    policies: Annotated[list[HPAScalingPolicy], Proto(2), ATOMIC, "How much may change within a period."]
    stabilizationWindowSeconds: Annotated[Int32, Proto(3), "How far back to look for a reason not to."]
    tolerance: Annotated[Quantity, Proto(4), "By how much a metric may be off without a change."]


class HorizontalPodAutoscalerBehavior(TypedDict, total=False):
    """How fast to scale."""

    scaleUp: Annotated[HPAScalingRules, Proto(1), "Rules for growing."]
    scaleDown: Annotated[HPAScalingRules, Proto(2), "Rules for shrinking."]


class HorizontalPodAutoscalerSpec(TypedDict, total=False):
    """What a user wants of an autoscaler."""

    scaleTargetRef: Required[Annotated[CrossVersionObjectReference, Proto(1), "What to scale."]]
    minReplicas: Annotated[Int32, Proto(2), "The fewest pods; 1 where unset."]
    maxReplicas: Required[Annotated[Int32, Proto(3), "The most pods."]]
    metrics: Annotated[
        list[MetricSpec], Proto(4), ATOMIC, "Metrics to go by; the one that wants most pods wins."
    ]
    behavior: Annotated[HorizontalPodAutoscalerBehavior, Proto(5), "How fast to scale."]


class HorizontalPodAutoscalerCondition(TypedDict, total=False):
    """One aspect of an autoscaler's state."""

    type: Required[Annotated[str, Proto(1), "AbleToScale, ScalingActive or ScalingLimited."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    lastTransitionTime: Annotated[Time, Proto(3), "When the status last changed."]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    message: Annotated[str, Proto(5), "Why, in words for people."]


class HorizontalPodAutoscalerStatus(TypedDict, total=False):
    """What an autoscaler found and did."""

    observedGeneration: Annotated[Int64, Proto(1), "The generation that this was seen of."]
    lastScaleTime: Annotated[Time, Proto(2), "When it last scaled."]
    currentReplicas: Annotated[Int32, Proto(3), "Pods that there are."]
    desiredReplicas: Required[Annotated[Int32, Proto(4), "Pods that it wants."]]
    currentMetrics: Annotated[list[MetricStatus], Proto(5), ATOMIC, "What was found of its metrics."]
    conditions: Annotated[
        list[HorizontalPodAutoscalerCondition],
        Proto(6),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]


class HorizontalPodAutoscaler(TypedDict, total=False):
    """Scales something by what its pods use, or by other metrics."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[HorizontalPodAutoscalerSpec, Proto(2), "What is wanted."]]
    status: Annotated[HorizontalPodAutoscalerStatus, Proto(3), "What is; written by the system."]
