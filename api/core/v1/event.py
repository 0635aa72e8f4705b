"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import Int32, MicroTime, Proto, Time
from api.core.v1.reference import ObjectReference
from api.meta.v1 import ObjectMeta


class EventSource(TypedDict, total=False):
    """TODO EventSource"""

    component: Annotated[str, Proto(1)]
    host: Annotated[str, Proto(2)]


class EventSeries(TypedDict, total=False):
    """TODO EventSeries"""

    count: Annotated[Int32, Proto(1)]
    lastObservedTime: Annotated[MicroTime, Proto(2)]


class Event(TypedDict, total=False):
    """TODO Event"""

    apiVersion: str
    kind: str
    metadata: Required[Annotated[ObjectMeta, Proto(1)]]
    involvedObject: Required[Annotated[ObjectReference, Proto(2)]]
    reason: Annotated[str, Proto(3)]
    message: Annotated[str, Proto(4)]
    source: Annotated[EventSource, Proto(5)]
    firstTimestamp: Annotated[Time, Proto(6)]
    lastTimestamp: Annotated[Time, Proto(7)]
    count: Annotated[Int32, Proto(8)]
    type: Annotated[str, Proto(9)]
    eventTime: Annotated[MicroTime, Proto(10)]
    series: Annotated[EventSeries, Proto(11)]
    action: Annotated[str, Proto(12)]
    related: Annotated[ObjectReference, Proto(13)]
    reportingComponent: Annotated[str, Proto(14)]
    reportingInstance: Annotated[str, Proto(15)]
