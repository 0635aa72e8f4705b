"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import Int32, MicroTime, Proto, Time
from api.core.v1.event import EventSource
from api.core.v1.reference import ObjectReference
from api.meta.v1 import ObjectMeta


class EventSeries(TypedDict, total=False):
    """TODO EventSeries"""

    count: Required[Annotated[Int32, Proto(1)]]
    lastObservedTime: Required[Annotated[MicroTime, Proto(2)]]


class Event(TypedDict, total=False):
    """TODO Event"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    eventTime: Required[Annotated[MicroTime, Proto(2)]]
    series: Annotated[EventSeries, Proto(3)]
    reportingController: Annotated[str, Proto(4)]
    reportingInstance: Annotated[str, Proto(5)]
    action: Annotated[str, Proto(6)]
    reason: Annotated[str, Proto(7)]
    regarding: Annotated[ObjectReference, Proto(8)]
    related: Annotated[ObjectReference, Proto(9)]
    note: Annotated[str, Proto(10)]
    type: Annotated[str, Proto(11)]
    deprecatedSource: Annotated[EventSource, Proto(12)]
    deprecatedFirstTimestamp: Annotated[Time, Proto(13)]
    deprecatedLastTimestamp: Annotated[Time, Proto(14)]
    deprecatedCount: Annotated[Int32, Proto(15)]
