"""Event of the core group: something happened to an object. Forgotten after an hour."""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import Int32, MicroTime, Proto, Time
from api.builtin import builtin
from api.columns import UNKNOWN, meta_name, since
from api.core.v1.reference import ObjectReference
from api.meta.v1 import ObjectMeta
from api.resource import Column, Strategy
from api.validation.event import validate_core_event
from machinery.errors import Cause
from machinery.gvk import EVENTS


class EventSource(TypedDict, total=False):
    """Who reports an event."""

    component: Annotated[str, Proto(1)]
    host: Annotated[str, Proto(2)]


class EventSeries(TypedDict, total=False):
    """How often an event happened, and when last."""

    count: Annotated[Int32, Proto(1), "How often it happened."]
    lastObservedTime: Annotated[MicroTime, Proto(2), "When it happened last."]


class Event(TypedDict, total=False):
    """Something that happened to an object."""

    apiVersion: str
    kind: str
    metadata: Required[
        Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    ]
    involvedObject: Required[Annotated[ObjectReference, Proto(2), "What it is about."]]
    reason: Annotated[str, Proto(3), "Why, in a word for machines."]
    message: Annotated[str, Proto(4), "Why, in words for people."]
    source: Annotated[EventSource, Proto(5), "Who reports it, and from where."]
    firstTimestamp: Annotated[Time, Proto(6), "When it happened first."]
    lastTimestamp: Annotated[Time, Proto(7), "When it happened last."]
    count: Annotated[Int32, Proto(8), "How often it happened."]
    type: Annotated[str, Proto(9), "Normal or Warning."]
    eventTime: Annotated[MicroTime, Proto(10), "When it happened first, to the microsecond."]
    series: Annotated[EventSeries, Proto(11), "How often it happened, and when last."]
    action: Annotated[str, Proto(12), "What was done, in a word for machines."]
    related: Annotated[ObjectReference, Proto(13), "Another object that has to do with it."]
    reportingComponent: Annotated[str, Proto(14), "Who reports it."]
    reportingInstance: Annotated[str, Proto(15), "Which instance of it."]


Obj = dict[str, Any]

# Events are news, not state: they are dropped after an hour.
EVENT_TTL_S = 3600


class EventStrategy(Strategy):
    has_generation = False
    allow_create_on_update = True

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_core_event(obj)


def _first_seen(event: Obj, now: float) -> str:
    return since(event.get("firstTimestamp") or event.get("eventTime"), now)


def _last_seen(event: Obj, now: float) -> str:
    series = event.get("series")
    if series:
        return since(series.get("lastObservedTime"), now)
    shown = since(event.get("lastTimestamp"), now)
    return _first_seen(event, now) if shown == UNKNOWN else shown


def _count(event: Obj, now: float) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def _object(event: Obj, now: float) -> str:
    involved = event.get("involvedObject") or {}
    kind, name = involved.get("kind", "").lower(), involved.get("name", "")
    return f"{kind}/{name}" if name else kind


def _field_path(event: Obj, now: float) -> str:
    path: str = (event.get("involvedObject") or {}).get("fieldPath", "")
    return path


def _source(event: Obj, now: float) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    instance = source.get("host") or event.get("reportingInstance") or ""
    return ", ".join(part for part in (component, instance) if part)


EVENT_COLUMNS = (
    Column("Last Seen", _last_seen, description="When it happened last."),
    Column("Type", lambda event, now: event.get("type", ""), description="Normal or Warning."),
    Column("Reason", lambda event, now: event.get("reason", ""), description="Why, in a word for machines."),
    Column("Object", _object, description="What it is about."),
    Column("Subobject", _field_path, priority=1, description="The part of the object."),
    Column("Source", _source, priority=1, description="Who reports it, and from where."),
    Column("Message", lambda event, now: event.get("message", "").strip(), description="What happened."),
    Column("First Seen", _first_seen, priority=1, description="When it happened first."),
    Column("Count", _count, priority=1, description="How often it happened."),
    Column("Name", meta_name, format="name", priority=1, description="The event's own name."),
)

EVENT = builtin(
    EVENTS,
    Event,
    strategy=EventStrategy(),
    columns=EVENT_COLUMNS,
    short_names=("ev",),
    selectable_fields={
        "involvedObject.kind": ".involvedObject.kind",
        "involvedObject.namespace": ".involvedObject.namespace",
        "involvedObject.name": ".involvedObject.name",
        "involvedObject.uid": ".involvedObject.uid",
        "involvedObject.apiVersion": ".involvedObject.apiVersion",
        "involvedObject.resourceVersion": ".involvedObject.resourceVersion",
        "involvedObject.fieldPath": ".involvedObject.fieldPath",
        "reason": ".reason",
        "reportingComponent": ".reportingComponent",
        "source": ".source.component|.reportingComponent",
        "type": ".type",
    },
    storage_prefix="events",
    ttl_s=EVENT_TTL_S,
)
