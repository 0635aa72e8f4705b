"""Event of the group events.k8s.io: the same stored objects as the core group's, under newer names."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Required, TypedDict

from api.annotations import Int32, MicroTime, Proto, Time
from api.builtin import builtin
from api.core.v1.event import EVENT_COLUMNS, EVENT_TTL_S, EventSource
from api.core.v1.reference import ObjectReference
from api.meta.v1 import ObjectMeta
from api.resource import Column, Strategy
from api.validation.event import validate_event, validate_event_update
from machinery.errors import Cause
from machinery.gvk import EVENTS_V1


class EventSeries(TypedDict, total=False):
    """How often an event happened, and when last."""

    count: Required[Annotated[Int32, Proto(1), "How often it happened."]]
    lastObservedTime: Required[Annotated[MicroTime, Proto(2), "When it happened last."]]


class Event(TypedDict, total=False):
    """Something that happened to an object."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    eventTime: Required[Annotated[MicroTime, Proto(2), "When it happened first, to the microsecond."]]
    series: Annotated[EventSeries, Proto(3), "How often it happened, and when last."]
    reportingController: Annotated[str, Proto(4), "Who reports it."]
    reportingInstance: Annotated[str, Proto(5), "Which instance of it."]
    action: Annotated[str, Proto(6), "What was done, in a word for machines."]
    reason: Annotated[str, Proto(7), "Why, in a word for machines."]
    regarding: Annotated[ObjectReference, Proto(8), "What it is about."]
    related: Annotated[ObjectReference, Proto(9), "Another object that has to do with it."]
    note: Annotated[str, Proto(10), "What happened, in words for people."]
    type: Annotated[str, Proto(11), "Normal or Warning."]
    deprecatedSource: Annotated[EventSource, Proto(12)]
    deprecatedFirstTimestamp: Annotated[Time, Proto(13)]
    deprecatedLastTimestamp: Annotated[Time, Proto(14)]
    deprecatedCount: Annotated[Int32, Proto(15)]


Obj = dict[str, Any]

# This form's names → the stored form's, which is the core group's.
_TO_CORE = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_FROM_CORE = {core: name for name, core in _TO_CORE.items()}


class EventStrategy(Strategy):
    has_generation = False
    allow_create_on_update = True

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_event(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_event_update(obj, old)


def to_core(event: Obj) -> Obj:
    renamed = {_TO_CORE.get(key, key): value for key, value in event.items()}
    return {**renamed, "apiVersion": "v1"}


def from_core(event: Obj) -> Obj:
    renamed = {_FROM_CORE.get(key, key): value for key, value in event.items()}
    return {**renamed, "apiVersion": "events.k8s.io/v1"}


def _of_core(column: Column) -> Column:
    """The core group's column, for an event in this form."""
    cell = column.path
    if not callable(cell):
        raise TypeError(f"column {column.name} must be a function")
    of_core = cell
    return replace(column, path=lambda event, now: of_core(to_core(event), now))


EVENT = builtin(
    EVENTS_V1,
    Event,
    strategy=EventStrategy(),
    columns=tuple(_of_core(column) for column in EVENT_COLUMNS),
    short_names=("ev",),
    selectable_fields={
        "regarding.kind": ".regarding.kind",
        "regarding.namespace": ".regarding.namespace",
        "regarding.name": ".regarding.name",
        "regarding.uid": ".regarding.uid",
        "regarding.apiVersion": ".regarding.apiVersion",
        "regarding.resourceVersion": ".regarding.resourceVersion",
        "regarding.fieldPath": ".regarding.fieldPath",
        "reason": ".reason",
        "reportingController": ".reportingController",
        "type": ".type",
    },
    storage_prefix="events",
    from_storage=from_core,
    to_storage=to_core,
    ttl_s=EVENT_TTL_S,
)
