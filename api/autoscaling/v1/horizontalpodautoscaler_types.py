"""The wire form of autoscaling/v1 HorizontalPodAutoscaler."""

from typing import Annotated, Required, TypedDict

from api.annotations import Int32, Int64, Proto, Time, atomic
from api.meta.v1 import ObjectMeta


@atomic
class CrossVersionObjectReference(TypedDict, total=False):
    """An object of the same namespace that can be scaled."""

    kind: Required[Annotated[str, Proto(1), "Its kind."]]
    name: Required[Annotated[str, Proto(2), "Its name."]]
    apiVersion: Annotated[str, Proto(3), "Its group and version."]


class HorizontalPodAutoscalerSpec(TypedDict, total=False):
    """What a user wants of an autoscaler."""

    scaleTargetRef: Required[Annotated[CrossVersionObjectReference, Proto(1), "What to scale."]]
    minReplicas: Annotated[Int32, Proto(2), "The fewest pods; 1 where unset."]
    maxReplicas: Required[Annotated[Int32, Proto(3), "The most pods."]]
    targetCPUUtilizationPercentage: Annotated[
        Int32, Proto(4), "The share of the requested cpu that pods should use on average."
    ]


class HorizontalPodAutoscalerStatus(TypedDict, total=False):
    """What an autoscaler found and did."""

    observedGeneration: Annotated[Int64, Proto(1), "The generation that this was seen of."]
    lastScaleTime: Annotated[Time, Proto(2), "When it last scaled."]
    currentReplicas: Required[Annotated[Int32, Proto(3), "Pods that there are."]]
    desiredReplicas: Required[Annotated[Int32, Proto(4), "Pods that it wants."]]
    currentCPUUtilizationPercentage: Annotated[
        Int32, Proto(5), "The share of the requested cpu that pods use on average."
    ]


class HorizontalPodAutoscaler(TypedDict, total=False):
    """Scales something by what its pods use."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[HorizontalPodAutoscalerSpec, Proto(2), "What is wanted."]]
    status: Annotated[HorizontalPodAutoscalerStatus, Proto(3), "What is; written by the system."]
