"""Metrics that an autoscaler goes by: what to aim at, and what was found."""

from typing import Annotated, Required, TypedDict

from api.annotations import Enum, Int32, Proto, Quantity
from api.meta.v1 import LabelSelector


class CrossVersionObjectReference(TypedDict, total=False):
    """An object of the same namespace."""

    kind: Required[Annotated[str, Proto(1), "Its kind."]]
    name: Required[Annotated[str, Proto(2), "Its name."]]
    apiVersion: Annotated[str, Proto(3), "Its group and version."]


class MetricIdentifier(TypedDict, total=False):
    """A metric by name."""

    name: Required[Annotated[str, Proto(1), "The metric's name."]]
    selector: Annotated[LabelSelector, Proto(2), "Which of its series."]


class MetricTarget(TypedDict, total=False):
    """The value of a metric to aim at."""

    type: Required[
        Annotated[
            str, Proto(1), Enum("AverageValue", "Utilization", "Value"), "Utilization, Value or AverageValue."
        ]
    ]
    value: Annotated[Quantity, Proto(2), "The value."]
    averageValue: Annotated[Quantity, Proto(3), "The value for each pod on average."]
    averageUtilization: Annotated[
        Int32, Proto(4), "The share of what was requested that pods use on average, in percent."
    ]


class MetricValueStatus(TypedDict, total=False):
    """The value of a metric."""

    value: Annotated[Quantity, Proto(1), "The value."]
    averageValue: Annotated[Quantity, Proto(2), "The value for each pod on average."]
    averageUtilization: Annotated[
        Int32, Proto(3), "The share of what was requested that pods use on average, in percent."
    ]


class ObjectMetricSource(TypedDict, total=False):
    """A metric of some object."""

    describedObject: Required[Annotated[CrossVersionObjectReference, Proto(1), "The object."]]
    target: Required[Annotated[MetricTarget, Proto(2), "The value to aim at."]]
    metric: Required[Annotated[MetricIdentifier, Proto(3), "The metric."]]


class PodsMetricSource(TypedDict, total=False):
    """A metric of each pod."""

    metric: Required[Annotated[MetricIdentifier, Proto(1), "The metric."]]
    target: Required[Annotated[MetricTarget, Proto(2), "The value to aim at."]]


class ResourceMetricSource(TypedDict, total=False):
    """A resource that pods request."""

    name: Required[Annotated[str, Proto(1), "The resource."]]
    target: Required[Annotated[MetricTarget, Proto(2), "The value to aim at."]]


class ContainerResourceMetricSource(TypedDict, total=False):
    """A resource that one container of each pod requests."""

    name: Required[Annotated[str, Proto(1), "The resource."]]
    target: Required[Annotated[MetricTarget, Proto(2), "The value to aim at."]]
    container: Required[Annotated[str, Proto(3), "The container."]]


class ExternalMetricSource(TypedDict, total=False):
    """A metric of something outside the cluster."""

    metric: Required[Annotated[MetricIdentifier, Proto(1), "The metric."]]
    target: Required[Annotated[MetricTarget, Proto(2), "The value to aim at."]]


class MetricSpec(TypedDict, total=False):
    """A metric to go by; exactly one source, the one that `type` names."""

    type: Required[
        Annotated[
            str,
            Proto(1),
            Enum("ContainerResource", "External", "Object", "Pods", "Resource"),
            "Object, Pods, Resource, ContainerResource or External.",
        ]
    ]
    object: Annotated[ObjectMetricSource, Proto(2), "A metric of some object."]
    pods: Annotated[PodsMetricSource, Proto(3), "A metric of each pod."]
    resource: Annotated[ResourceMetricSource, Proto(4), "A resource that pods request."]
    external: Annotated[ExternalMetricSource, Proto(5), "A metric of something outside the cluster."]
    containerResource: Annotated[
        ContainerResourceMetricSource, Proto(7), "A resource that one container of each pod requests."
    ]


class ObjectMetricStatus(TypedDict, total=False):
    """What was found of an object's metric."""

    metric: Required[Annotated[MetricIdentifier, Proto(1), "The metric."]]
    current: Required[Annotated[MetricValueStatus, Proto(2), "Its value."]]
    describedObject: Required[Annotated[CrossVersionObjectReference, Proto(3), "The object."]]


class PodsMetricStatus(TypedDict, total=False):
    """What was found of a metric of each pod."""

    metric: Required[Annotated[MetricIdentifier, Proto(1), "The metric."]]
    current: Required[Annotated[MetricValueStatus, Proto(2), "Its value."]]


class ResourceMetricStatus(TypedDict, total=False):
    """What was found of a resource."""

    name: Required[Annotated[str, Proto(1), "The resource."]]
    current: Required[Annotated[MetricValueStatus, Proto(2), "Its value."]]


class ContainerResourceMetricStatus(TypedDict, total=False):
    """What was found of a resource of one container."""

    name: Required[Annotated[str, Proto(1), "The resource."]]
    current: Required[Annotated[MetricValueStatus, Proto(2), "Its value."]]
    container: Required[Annotated[str, Proto(3), "The container."]]


class ExternalMetricStatus(TypedDict, total=False):
    """What was found of a metric from outside."""

    metric: Required[Annotated[MetricIdentifier, Proto(1), "The metric."]]
    current: Required[Annotated[MetricValueStatus, Proto(2), "Its value."]]


class MetricStatus(TypedDict, total=False):
    """What was found of a metric."""

    type: Required[Annotated[str, Proto(1), "Object, Pods, Resource, ContainerResource or External."]]
    object: Annotated[ObjectMetricStatus, Proto(2), "A metric of some object."]
    pods: Annotated[PodsMetricStatus, Proto(3), "A metric of each pod."]
    resource: Annotated[ResourceMetricStatus, Proto(4), "A resource that pods request."]
    external: Annotated[ExternalMetricStatus, Proto(5), "A metric of something outside the cluster."]
    containerResource: Annotated[
        ContainerResourceMetricStatus, Proto(7), "A resource that one container of each pod requests."
    ]
